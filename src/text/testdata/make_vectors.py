"""Makes tokens.json: strings and their ids by the Python package `tokenizers`, for what we run.

    python make_vectors.py smollm2/tokenizer.json qwen3/tokenizer.json

`smollm` and `qwen3` are those files; `gpt-2`, `qwen2` and `llama-bpe` are the first vocabulary under the components
that the package itself offers for these families, with the pattern as Llama 3's tokenizer.json writes it.
"""
import json
import random
import sys
import unicodedata
from pathlib import Path
from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers

here = Path(__file__).parent
rng = random.Random(7)

HAND = """The quick brown fox jumps over the lazy dog.
I'll say it's what they've done, he'd said; WE'LL SEE, It'S FINE, don't
  leading, trailing and   inner    spaces  \t\ttabs\t \n\n\n newlines \r\n and \r returns \n \n
def fib(n: int) -> int:\n    \"\"\"Docs.\"\"\"\n    return n if n < 2 else fib(n - 1) + fib(n - 2)\n
const f = async ({a, b}) => { await x?.y ?? `${z}`; } // comment\n\treturn;
<html><body class=\"x\">&amp;</body></html>
SELECT * FROM t WHERE a<=3 AND b!='x';
0 1 12 123 1234 12345 3.14159 1,000,000 1e-9 0xFF 007 2024-11-24T00:00:00Z
½ ¼¾ ² ³⁴ Ⅳ ⅫⅫ ①② ٣٤٥ १२३ 一二三 𝟘𝟙 x² 10½ 5٣2
Où est la bibliothèque ? «naïve» café résumé — déjà vu
Größe, Straße, ÄÖÜ äöü ẞ
¿Dónde está? ¡Aquí! señor
Привет, как дела? Ёлка
Γειά σου Κόσμε, ἀρχή
שלום עולם
مرحبا بالعالم، كيف الحال؟
नमस्ते दुनिया
こんにちは世界、カタカナ ﾊﾝｶｸ
你好，世界！我们去北京。
안녕하세요 세계 한글
สวัสดีชาวโลก
Tiếng Việt có dấu: ữ ợ ẫ
😀 😀😀 👩‍👩‍👧 🏳️‍🌈 👍🏽 🇫🇷🇯🇵 ❤️ ☺ 🫠
e\u0301 vs \u00e9, A\u030a vs \u00c5, \u1100\u1161 vs \uac00, \u212b \ufb01
\u00a0nbsp\u00a0 \u2003em\u2003 \u200bzero\u200b \u3000ideographic\u3000 \ufeffbom \u2028line\u2029para \u0085next
\x00\x01\x1f\x7f control \x1b[31m
<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n
<|im_start|>system<|endoftext|><|im_end|><|im_end|>  <|im_end|> text<|im_sta
<repo_name>x<file_sep><think>hmm</think><tool_call>{}</tool_call>
aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
!!!???...,,,;;;:::---___***&&&%%%$$$###@@@~~~```^^^|||\\\\///
constructor __proto__ toString hasOwnProperty valueOf
ﷺ ﷽ 𝓗𝓮𝓵𝓵𝓸 Ｆｕｌｌｗｉｄｔｈ ǅ ŉ İi
https://example.org/a?b=c&d=%20#e user.name+tag@example.com C:\\\\dir\\\\file.txt
$E=mc^2$ \\\\frac{a}{b} ∑∏∫√∞ ≤≥≠ ← → ⇒ │┌┐
""".split("\n")


def unescape(line):
    """Resolves escapes in the ASCII lines; the others have them resolved already."""
    if "\\" not in line or not line.isascii():
        return line
    return line.encode("utf-8").decode("unicode_escape").encode("latin-1").decode("utf-8")


HAND = [unescape(line) for line in HAND if line]
HAND += ["\n\n\n", "   ", "\t", " ", "a", " a", "\r\n\r\n", "\n \n  \n", "x\n\n  y", "end.\n", "\u0301", "\u00a0"]
HAND += [" \u00a0 ", "1 ", " 1", "½½", "12½34", "<|im_end|>", "  <|im_start|>  "]
ALPHABETS = ["abcdefghijklmnopqrstuvwxyz     ", "ABC abc 'sStT'tlL", "0123456789 ½²٣.,-", " \t\n\r  \u00a0\u2003"]
ALPHABETS += ["éèüßçñøå ", "абвгдежзийк ", "日本語中文字漢 ", "한국어 ", "אבגד ", "ابتث ", "😀👩🏽\u200d❤️🇫🇷"]
ALPHABETS += ["(){}[]<>=+-*/&|;:'\"!?#", "\u0301\u0300e a\u0323"]
WORDS = "the of and Lethe river memory forget GPU tensor cache key value 42 1999 don't it's naïve 東京 мир 😀 == -> { } ;"
WORDS = (WORDS + " \n \n\n \t").split(" ")
RANDOM = []
for _ in range(110):
    pick = rng.sample(ALPHABETS, rng.randint(1, 4))
    RANDOM.append("".join(rng.choice(rng.choice(pick)) for _ in range(rng.randint(1, 40))))
for _ in range(90):
    RANDOM.append("".join(rng.choice(["", " ", " ", "  "]) + rng.choice(WORDS) for _ in range(rng.randint(1, 14))))
strings = HAND + RANDOM

smollm, qwen = sys.argv[1:3]
base = json.loads(Path(smollm).read_text())


def variant(pre, normalizer=None, ignore_merges=False):
    """The first vocabulary under another pre-tokenizer."""
    t = Tokenizer.from_str(json.dumps(base | {"model": base["model"] | {"ignore_merges": ignore_merges}}))
    t.pre_tokenizer = pre
    if normalizer:
        t.normalizer = normalizer
    return t


def byte_level(use_regex):
    return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=use_regex)


def split(pattern):
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"), byte_level(False)])


llama_pattern = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
qwen_pattern = json.loads(Path(qwen).read_text())["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"]
kinds = {
    "smollm": Tokenizer.from_file(smollm),
    "qwen3": Tokenizer.from_file(qwen),
    "gpt-2": variant(byte_level(True)),
    "qwen2": variant(split(qwen_pattern), normalizers.NFC()),
    "llama-bpe": variant(split(llama_pattern), ignore_merges=True),
}
ids = {kind: [t.encode(s, add_special_tokens=False).ids for s in strings] for kind, t in kinds.items()}


def decode(kind, tokens, skip=False):
    return kinds[kind].decode(tokens, skip_special_tokens=skip)


# So that the test needs no copy of the texts.
for kind in ("smollm", "qwen3"):
    for s, tokens in zip(strings, ids[kind]):
        assert decode(kind, tokens) == (unicodedata.normalize("NFC", s) if kind == "qwen3" else s), s
seen = [decode("smollm", tokens, skip=True) for tokens in ids["smollm"]]
visible = {i: text for i, (s, text) in enumerate(zip(strings, seen)) if text != s}
size = kinds["smollm"].get_vocab_size()
broken = [[rng.randrange(size) for _ in range(rng.randint(1, 12))] for _ in range(60)]
lines = ["{", f'"strings": {json.dumps(strings)},']
lines += [f'"{kind}": {json.dumps(lists, separators=(",", ":"))},' for kind, lists in ids.items()]
lines += [f'"visible": {json.dumps(visible)},']
lines += [f'"broken": {json.dumps([[tokens, decode("smollm", tokens)] for tokens in broken])}', "}"]
(here / "tokens.json").write_text("\n".join(lines) + "\n")
print(f"{len(strings)} strings")
