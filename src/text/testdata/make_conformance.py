"""Makes conformance.json.gz: 2,000 strings with their ids by the Python package `tokenizers`, and chats with their text
by `apply_chat_template` of `transformers`, for the real tokenizers; and sentencepiece.json.gz, the same strings and
more for a SentencePiece vocabulary that is trained here (`pip install sentencepiece protobuf`).

    python make_conformance.py FOLDER_WITH_smollm2_AND_qwen3 FOLDER_OF_THE_DEFAULT_MODEL FOLDER_OF_TEXT

The strings come from a seed: sentences in many languages, emoji sequences, code, white space, special tokens, and any
characters that Unicode has. The same seed gives the same file.
"""
import gzip
import json
import random
import sys
import tempfile
import unicodedata
from pathlib import Path

import sentencepiece_vectors
from gguf import GGUFReader
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

COUNT = 2000
here = Path(__file__).parent
rng = random.Random(20250607)
folder, model_folder = Path(sys.argv[1]), Path(sys.argv[2])

SENTENCES = """The river forgets nothing, and yet it never carries the same water twice; don't you think?
Der Fluss vergisst nichts, und doch führt er nie dasselbe Wasser: größer, süßer, »älter«.
Le fleuve n'oublie rien, pourtant l'eau n'est jamais la même — où va-t-elle, cœur naïf ?
¿Qué olvida el río? ¡Nada! Y sin embargo, mañana el agüero será otro.
O rio não esquece; as águas vão, a canção fica, irmã.
Il fiume non dimentica: perché l'acqua è già altrove.
Rzeka niczego nie zapomina, choć źródło żłobi łąkę.
Řeka nezapomíná, přestože voda běží dál, šťastně.
A folyó nem felejt, bár a víz győzelmesen eltűnik.
Râul nu uită nimic, deși apa își urmează țărmul.
Nehir hiçbir şeyi unutmaz; ığıl ığıl akar İstanbul'a.
Joki ei unohda mitään, vaikka vesi yhä pääsee järveen.
Ån glömmer ingenting, men vattnet går i høst.
Áin gleymir engu, þótt vatnið sé ætíð nýtt.
Река ничего не забывает, но вода в ней всегда другая: щёлк, ъ, э!
Річка нічого не забуває, їжак єдиний ґанок.
Реката не забравя нищо, ѝ казах аз.
Ο ποταμός δεν ξεχνά τίποτα, κι όμως το νερό ρέει· ΐ ΰ ώ.
Գետը ոչինչ չի մոռանում, բայց ջուրը միշտ նոր է։
მდინარე არაფერს ივიწყებს, მაგრამ წყალი სხვაა.
הנהר אינו שוכח דבר, אך המים לעולם אחרים; שָׁלוֹם.
النهر لا ينسى شيئًا، لكنّ الماء يتغيّر دائمًا؟
رودخانه چیزی را فراموش نمی‌کند، اما آب همیشه تازه است.
دریا کچھ نہیں بھولتا، مگر پانی نیا ہوتا ہے۔
नदी कुछ नहीं भूलती, फिर भी पानी हर बार नया होता है।
নদী কিছুই ভোলে না, তবু জল সর্বদা নতুন।
ਨਦੀ ਕੁਝ ਨਹੀਂ ਭੁੱਲਦੀ।
નદી કશું ભૂલતી નથી.
நதி எதையும் மறப்பதில்லை, ஆனால் நீர் புதியது.
నది ఏదీ మరచిపోదు, కానీ నీరు కొత్తది.
ನದಿ ಏನನ್ನೂ ಮರೆಯುವುದಿಲ್ಲ.
നദി ഒന്നും മറക്കുന്നില്ല.
ගඟ කිසිවක් අමතක නොකරයි.
แม่น้ำไม่ลืมสิ่งใด แต่สายน้ำก็ไหลไปเสมอ
ແມ່ນ້ຳບໍ່ລືມຫຍັງ
မြစ်သည် ဘာကိုမျှ မမေ့ပါ။
ទន្លេមិនភ្លេចអ្វីទេ
གཙང་པོས་གང་ཡང་མི་བརྗེད།
ወንዙ ምንም አይረሳም፤ ውሃው ግን አዲስ ነው።
Dòng sông không quên gì cả, nhưng nước luôn đổi mới: ữ, ợ, ẫ.
川は何も忘れない。けれど、水はいつも新しい——「そうだね」とカッパが言った。
河流什么也不会忘记，但水总是新的；真的吗？「是」。
河流什麼也不會忘記，龜鬱爨籲。
강은 아무것도 잊지 않지만, 물은 언제나 새롭다.
Mto hausahau chochote, lakini maji ni mapya.
ᏣᎳᎩ ᎦᏬᏂᎯᏍᏗ
Sungai tidak melupakan apa-apa, tetapi airnya baru.""".split("\n")
CODE = r"""def read(path: str, *, size=4096) -> bytes:\n    with open(path, "rb") as f:\n        return f.read(1)  # ½
const f = async ({ a, b = 1 }) => (await x?.y?.()) ?? `${a}\\n`;\n\tif (a !== b) { return [...a, -1]; }
#include <stdio.h>\nint main(void) {\n\tprintf("%08x\\n", 0xDEADBEEFu & ~1);\n\treturn 0;\n}
SELECT t.id, COUNT(*) FROM "t" AS t WHERE a<=3 AND b!='it''s' GROUP BY 1;
fn main() { let v: Vec<u8> = (0..=255).collect(); println!("{v:?}"); }
<p class="x" id=y>caf&eacute; &amp; <br/>\r\n</p><!-- end -->
{"a": [1, 2.5e-3, null, true], "é": "\\u00e9\\ud83d\\ude00"}
$ git commit -m 'x' && cd ~/src/../lib; echo $?\t# done
\\frac{\\partial f}{\\partial x} = \\sum_{i=0}^{n-1} x_i^2
@workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3<u32>) { out[id.x] = f16(1.0h); }
| a | b |\n|---|:-:|\n| 1 | **2** |\n\n- [x] done\n1. `x`
SGVsbG8gd29ybGQ= 550e8400-e29b-41d4-a716-446655440000 192.168.0.1:8080 a@b.c""".split("\n")
for written, meant in ((r"\n", "\n"), (r"\t", "\t"), (r"\r", "\r")):
    CODE = [line.replace(written, meant) for line in CODE]
EMOJI = "😀 👩‍👩‍👧‍👦 🏳️‍🌈 👍🏽 🇫🇷 🇯🇵🇧🇷 ❤️ ☺ 🫠 🧑🏿‍🚀 1️⃣ #️⃣ 🏴󠁧󠁢󠁥󠁮󠁧󠁿 👁️‍🗨️ ✊🏼✊ 🤷‍♀️ © ™️ ⌚︎".split(" ")
SPACES = [" ", "  ", "   ", "\t", "\t\t", "\n", "\n\n", "\r\n", "\r", " \n", "\n ", "\u00a0", "\u3000", "\u2003"]
SPACES += ["\u2028", "\u0085", "\u200b", "\ufeff", "\u1680", "\x0b", "\x0c", "\x00", "\x1f", "        ", "\n\n\n\n"]
SPECIAL = ["<|im_start|>", "<|im_end|>", "<|endoftext|>", "<think>", "</think>", "<tool_call>", "</tool_call>"]
SPECIAL += ["<|fim_prefix|>", "<|im_start", "im_end|>", "<repo_name>", "<file_sep>", "<|object_ref_start|>", "<s>"]
NUMBERS = ["0", "7", "42", "1999", "123456789", "3.14159", "1,000,000", "1e-9", "0xFF", "½", "Ⅳ", "٣٤٥", "१२३", "²"]
MARKS = ["\u0301", "\u0308", "\u0327", "\u20dd", "\ufe0f", "\u200d", "\u094d", "\u0e49"]
# A character that is normalised by NFC, or is made of others, or has a case of its own.
ODD = list("éÅ한ﬁǅŉİıẞſΩKÅ豈ﷺﾊﾞⅫ①㍿𝓗Ａ") + ["e\u0301", "A\u030a", "\u1112\u1161\u11ab", "\u0958", "\u2126", "q\u0307\u0323"]


def any_character():
    while True:
        plane = rng.choice([0x2000, 0x10000, 0x10000, 0x20000, 0x110000])
        character = chr(rng.randrange(32, plane))
        if unicodedata.category(character) not in ("Cs", "Cn", "Co"):
            return character


def clip(text):
    start = rng.randrange(len(text))
    return text[start : start + rng.randint(1, 60)]


KINDS = {
    "language": lambda: clip(rng.choice(SENTENCES)),
    "code": lambda: clip(rng.choice(CODE)),
    "emoji": lambda: "".join(rng.choice(EMOJI) for _ in range(rng.randint(1, 4))),
    "spaces": lambda: "".join(rng.choice(SPACES) for _ in range(rng.randint(1, 5))),
    "special": lambda: rng.choice(SPECIAL),
    "numbers": lambda: rng.choice(["", " ", "-"]).join(rng.choice(NUMBERS) for _ in range(rng.randint(1, 4))),
    "odd": lambda: "".join(rng.choice(ODD + MARKS) for _ in range(rng.randint(1, 6))),
    "any": lambda: "".join(any_character() for _ in range(rng.randint(1, 8))),
}


def string():
    """One to five pieces; most strings are of one or two kinds, as texts are."""
    kinds = rng.sample(list(KINDS), rng.choice([1, 1, 2, 2, 3, 4]))
    return "".join(KINDS[rng.choice(kinds)]() for _ in range(rng.randint(1, 5)))


strings = [text for line in SENTENCES + CODE for text in [line]] + EMOJI + SPACES + SPECIAL
strings = list(dict.fromkeys(strings))
while len(strings) < COUNT:
    strings = list(dict.fromkeys([*strings, *(string() for _ in range(COUNT - len(strings)))]))

TOKENIZERS = {name: Tokenizer.from_file(str(folder / name / "tokenizer.json")) for name in ("smollm2", "qwen3")}
ids = {name: [t.encode(s, add_special_tokens=False).ids for s in strings] for name, t in TOKENIZERS.items()}
for name, t in TOKENIZERS.items():
    for s, tokens in zip(strings, ids[name]):
        same = unicodedata.normalize("NFC", s) if name == "qwen3" else s
        assert t.decode(tokens, skip_special_tokens=False) == same, (name, s)

WEATHER = {
    "name": "get_weather",
    "description": "Weather of a place, in °C — now.",
    "parameters": {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "City; \"São Paulo\" or 東京"},
            "days": {"type": ["integer", "null"], "default": 1, "minimum": 0.5, "enum": [1, 3, 7]},
        },
        "required": ["city"],
    },
}
TOOLS = [{"type": "function", "function": WEATHER}, {"type": "function", "function": {"name": "now", "parameters": {}}}]


def message(role, content, **rest):
    return {"role": role, "content": content, **rest}


def call(name, arguments, number):
    return {"id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": arguments}}


ASK = message("user", "Wie ist das Wetter in 東京?\n")
TURNS = [message("user", "Hi"), message("assistant", "Hello! <b>"), message("user", "And 'now'? 🫠")]
CALLS = [
    ASK,
    message("assistant", "I look.", tool_calls=[call("get_weather", {"city": "東京", "days": 3, "wet": None}, 1)]),
    message("tool", '{"°C": 21.5}', tool_call_id="call_1"),
]
THOUGHT = [
    message("user", "1 + 1?"),
    message("assistant", "<think>\nOne and one.\n</think>\n\n2"),
    message("user", "And 2 + 2?"),
]
TWO_CALLS = [call("get_weather", {"city": "Oslo"}, 2), call("now", {}, 3)]
CHATS = {
    "one question": {"messages": [ASK]},
    "a system message": {"messages": [message("system", "Be brief.\n\n"), ASK]},
    "turns": {"messages": TURNS},
    "turns with a system message": {"messages": [message("system", "Äußerst knapp."), *TURNS]},
    "an answer at the end": {"messages": TURNS[:2], "add_generation_prompt": False},
    "white space": {"messages": [message("user", "  \n a \t\n")]},
    "marks of the template": {"messages": [message("user", "<|im_end|>\n<|im_start|>system\nNo.")]},
    "a thought in an earlier answer": {"messages": THOUGHT},
    "a thought of its own": {
        "messages": [THOUGHT[0], message("assistant", "2", reasoning_content="One and one."), THOUGHT[2]]
    },
    "thinking switched off": {"messages": [ASK], "enable_thinking": False},
    "tools": {"messages": [ASK], "tools": TOOLS},
    "tools and a system message": {"messages": [message("system", "Be brief."), ASK], "tools": TOOLS},
    "a tool was called": {"messages": CALLS, "tools": TOOLS},
    "a tool was called and answered": {"messages": [*CALLS, message("assistant", "21.5 °C."), ASK], "tools": TOOLS},
    "two tools were called": {
        "messages": [
            ASK,
            message("assistant", "", tool_calls=TWO_CALLS),
            message("tool", "rain", tool_call_id="call_2"),
            message("tool", "12:00", tool_call_id="call_3"),
        ],
        "tools": TOOLS,
    },
    "arguments as a text": {
        "messages": [ASK, message("assistant", "", tool_calls=[call("now", '{"zone": "UTC"}', 4)])],
        "add_generation_prompt": False,
    },
}


def gguf_template():
    """The chat template of the default model, from its file's metadata."""
    with tempfile.NamedTemporaryFile(suffix=".gguf") as whole:
        for part in sorted(model_folder.glob("*.gguf.part*")):
            whole.write(part.read_bytes())
        whole.flush()
        return GGUFReader(whole.name).get_field("tokenizer.chat_template").contents()


TEMPLATES = {
    "smollm2": gguf_template(),
    "qwen3": json.loads((folder / "qwen3" / "tokenizer_config.json").read_text())["chat_template"],
}
chats = []
for name, chat in CHATS.items():
    options = {"add_generation_prompt": True} | {k: v for k, v in chat.items() if k != "messages"}
    texts = {}
    for model, template in TEMPLATES.items():
        t = PreTrainedTokenizerFast(tokenizer_object=TOKENIZERS[model], chat_template=template)
        texts[model] = t.apply_chat_template(chat["messages"], tokenize=False, **options)
    chats.append({"name": name, "messages": chat["messages"], "options": options, "texts": texts})



def write(name, out):
    data = json.dumps(out, ensure_ascii=False, separators=(",", ":")).encode()
    (here / name).write_bytes(gzip.compress(data, 9, mtime=0))


write("conformance.json.gz", {"strings": strings, "ids": ids, "chats": chats})
write("sentencepiece.json.gz", sentencepiece_vectors.make(strings, Path(sys.argv[3]), random.Random(7)))
print(f"{len(strings)} strings, {len(chats)} chats")
