"""Part of make_conformance.py: the vectors of a SentencePiece vocabulary in every form that `tokenizer.json` has."""
import json

from jinja2 import TemplateError
from sentencepiece_vocabulary import SPECIAL, legacy, metaspace, newer, train, with_stripping
from transformers import PreTrainedTokenizerFast

SIZE = 1200
PHI3 = ["<|user|>", "<|assistant|>", "<|end|>"]
WORDS = ["Hello", "the river", "\n", " ", "  two", "▁", "é", "🫠", "[INST]", "[/INST]", "x = 1;", "\t"]
WORDS += ["forgets nothing ", "<0x41>", "<", "s>", "</", " a", "\n\n", "ing", "\u0085", "\ufeff", "\u3000", "!", "''"]
WORDS += ["٣", "    "]


# In the form in which Llama 2, Mistral and TinyLlama were published.
LLAMA2 = """{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system_message = \
messages[0]['content'] %}{% else %}{% set loop_messages = messages %}{% set system_message = false %}{% endif %}\
{% for message in loop_messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception(\
'Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}\
{% if loop.index0 == 0 and system_message != false %}{% set content = '<<SYS>>\\n' + system_message + \
'\\n<</SYS>>\\n\\n' + message['content'] %}{% else %}{% set content = message['content'] %}{% endif %}\
{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}\
{% elif message['role'] == 'assistant' %}{{ ' '  + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}"""
MISTRAL = """{{ bos_token }}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}\
{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}\
{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}\
{% elif message['role'] == 'assistant' %}{{ message['content'] + eos_token}}\
{% else %}{{ raise_exception('Only user and assistant roles are supported!') }}{% endif %}{% endfor %}"""
MISTRAL3 = """{%- if messages[0]["role"] == "system" %}
    {%- set system_message = messages[0]["content"] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}
{%- set ns = namespace(index=0) %}
{%- for message in loop_messages %}
    {%- if (message["role"] == "user") != (ns.index % 2 == 0) %}
        {{- raise_exception("After the optional system message, conversation roles must alternate") }}
    {%- endif %}
    {%- set ns.index = ns.index + 1 %}
{%- endfor %}
{{- bos_token }}
{%- for message in loop_messages %}
    {%- if message["role"] == "user" %}
        {%- if loop.last and system_message is defined %}
            {{- "[INST] " + system_message + "\\n\\n" + message["content"] + "[/INST]" }}
        {%- else %}
            {{- "[INST] " + message["content"] + "[/INST]" }}
        {%- endif %}
    {%- elif message["role"] == "assistant" %}
        {{- " " + message["content"]|trim + eos_token}}
    {%- endif %}
{%- endfor %}
"""
TINYLLAMA = """{% for message in messages %}
{% if message['role'] == 'user' %}
{{ '<|user|>\n' + message['content'] + eos_token }}
{% elif message['role'] == 'system' %}
{{ '<|system|>\n' + message['content'] + eos_token }}
{% elif message['role'] == 'assistant' %}
{{ '<|assistant|>\n'  + message['content'] + eos_token }}
{% endif %}
{% if loop.last and add_generation_prompt %}
{{ '<|assistant|>' }}
{% endif %}
{% endfor %}"""
TEMPLATES = {"llama2": LLAMA2, "mistral": MISTRAL, "mistral3": MISTRAL3, "tinyllama": TINYLLAMA}
CHATS = ["u:Where does it flow?", "u: Hi \n|a: Hello! |u:And <s>now</s>? 🫠", "s:Be brief.\n|u:Hi", "u:Hi|a:Ho"]
CHATS += ["u:Hi|u:Ho", "a:Hi|u:Ho", "s:Äußerst knapp.|u:Hi|a:  One\n\ntwo.\n|u:[INST] no [/INST]|a:Yes|u:More"]
CHATS += ["u:", "s:Alone."]
ROLES = {"u": "user", "a": "assistant", "s": "system"}


def chats(tokenizer):
    """Prompts by `apply_chat_template` and their ids, or the template's own words where it refuses."""
    for name, template in TEMPLATES.items():
        options = dict(bos_token="<s>", eos_token="</s>", chat_template=template)
        whole = PreTrainedTokenizerFast(tokenizer_object=tokenizer, **options)
        for chat in CHATS:
            turns = [turn.split(":", 1) for turn in chat.split("|")]
            messages = [{"role": ROLES[role], "content": content} for role, content in turns]
            try:
                text = whole.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
                ids = whole.apply_chat_template(messages, add_generation_prompt=True)["input_ids"]
                yield {"template": name, "messages": messages, "text": text, "ids": ids}
            except TemplateError as refusal:
                yield {"template": name, "messages": messages, "refusal": str(refusal)}


def texts_with_special(rng, count):
    """Short texts of words and special tokens, many of which begin or end with white space."""
    texts = {}
    while len(texts) < count:
        parts = rng.choices([*WORDS, *SPECIAL, *PHI3], [2] * len(WORDS) + [4] * 6, k=rng.randint(1, 7))
        texts["".join(parts)] = True
    return list(texts)


def where_it_goes_on(tokenizer, text):
    """Places inside a text where a token ends: what precedes, what follows, its ids, and its text by `decode`."""
    whole = tokenizer.encode(text, add_special_tokens=False)
    for place in sorted({start for start, _ in whole.offsets} - {0}):
        before, after = text[:place], text[place:]
        count = sum(end <= place for _, end in whole.offsets)
        starts = [start for start, _ in whole.offsets[count:]]
        if tokenizer.encode(before, add_special_tokens=False).ids != whole.ids[:count] or min(starts) < place:
            continue
        ids = whole.ids[count:]
        yield [before, after, ids, tokenizer.decode(ids, skip_special_tokens=True)]


def case(tokenizer, text):
    """Ids of a text, and what they decode to with special tokens and without; nothing where it is the text."""
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    shown = [tokenizer.decode(ids, skip_special_tokens=skip) for skip in (False, True)]
    return [ids, *(None if one == text else one for one in shown)]


def make(strings, data, rng):
    """All that the test needs, for JSON; what forms have in common is written once."""
    pieces, path = train(data, SIZE)
    forms = {
        "legacy": legacy(pieces),
        "first": newer(path),
        "normalized": legacy(pieces, normalized=True),
        "bare": legacy(pieces, prefix=False),
        "always": metaspace(path, prepend_scheme="always", split=False),
        "never": metaspace(path, prepend_scheme="never", split=False),
        "words": metaspace(path, prepend_scheme="first", split=True),
        "phi3": with_stripping(legacy(pieces), PHI3),
    }
    extra = texts_with_special(rng, 300)
    strings = [*extra, *strings]
    vocab = {piece: i for i, (piece, _, _) in enumerate(pieces)}
    out = {"pieces": pieces, "strings": extra, "merges": {}, "forms": {}, "templates": TEMPLATES}
    out["chats"] = list(chats(forms["legacy"]))
    cases = {}
    for name, tokenizer in forms.items():
        whole = name in ("legacy", "first")
        cases[name] = [case(tokenizer, text) for text in (strings if whole else strings[:200])]
        file = json.loads(tokenizer.to_str())
        assert file["model"].pop("vocab") == vocab
        order = "newer" if file["model"]["unk_token"] is None else "legacy"
        assert out["merges"].setdefault(order, file["model"]["merges"]) == file["model"]["merges"]
        file["model"]["merges"] = order
        out["forms"][name] = {
            "tokenizer": file,
            "count": len(cases[name]),
            "cases": {i: c for i, c in enumerate(cases[name]) if name == "legacy" or c != cases["legacy"][i]},
            "goesOn": [c for text in extra[: 80 if whole else 30] for c in where_it_goes_on(tokenizer, text)],
        }
    return out
