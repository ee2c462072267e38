"""Part of make_conformance.py: the vectors of a SentencePiece vocabulary in every form that `tokenizer.json` has."""
import json

from sentencepiece_vocabulary import SPECIAL, legacy, metaspace, newer, train, with_stripping

SIZE = 1200
PHI3 = ["<|user|>", "<|assistant|>", "<|end|>"]
WORDS = ["Hello", "the river", "\n", " ", "  two", "▁", "é", "🫠", "[INST]", "[/INST]", "x = 1;", "\t"]
WORDS += ["forgets nothing ", "<0x41>", "<", "s>", "</", " a", "\n\n", "ing", "\u0085", "\ufeff", "\u3000", "!", "''"]
WORDS += ["٣", "    "]


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
    out = {"pieces": pieces, "strings": extra, "merges": {}, "forms": {}}
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
