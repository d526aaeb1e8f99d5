"""The worst texts of a megabyte: answered within 256 MiB of address space and a second or two of CPU time.

They are read by a process of its own with hard limits, which end it; nothing here looks at a clock.
"""

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

MEMORY_BYTES = 256 << 20
READ = """
import json, math, resource, sys
import recipes
recipes.load("default")
for name in sys.argv[1:]:
    used = resource.getrusage(resource.RUSAGE_SELF)
    # the limit counts whole seconds: one or two are left
    limit = math.ceil(used.ru_utime + used.ru_stime) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.RLIM_INFINITY))
    try:
        found = recipes.load(name).warnings
    except recipes.RecipeError as error:
        found = error.findings
    print(json.dumps([name, [finding.code for finding in found]]), flush=True)
"""
_ONE = "rules: [{id: a, conditions: [{type: file_context, property: path, operator: %s, value: '%s'}]}]"
CONDITION = "conditions: [{type: file_context, property: path, value: a}], actions: [{type: cache}]"
LARGE_REGEX = "conditions: [{type: file_context, property: path, operator: matches, value: '\\w{9}#'}]"
LONG_REGEX = "conditions: [{type: file_context, property: path, operator: matches, value: '(\\w{99}){99}'}]"


def many(count: int, line: str, head: str = "rules:\n", tail: str = "") -> str:
    return head + "".join(line.replace("#", str(number)) for number in range(count)) + tail


WORST = {
    "80,000 unknown keys": (many(80_000, "k#: 1\n", ""), "MLO182"),
    "80,000 times one key": (many(80_000, "k: #\n", ""), "MLO181"),
    "100,000 empty rules": (many(100_000, "  - {}\n"), "MLO182"),
    "4,999 empty rules": (many(4_999, "  - {}\n"), "MLO121"),
    "4,999 null rules": (many(4_999, "  -\n"), "MLO122"),
    "4,999 rules of one name": (many(4_999, "  - {id: a}\n"), "MLO181"),
    "4,900 misspelled types": (
        many(4_900, "  - {id: a#, conditions: [{type: file_contxt, property: a, value: 1}]}\n"),
        "MLO181",
    ),
    "4,999 misspelled actions": (
        many(4_999, "{type: cach#},", "rules: [{id: a, actions: [", "]}]"),
        "MLO150",
    ),
    "4,999 misspelled parameters": (
        many(4_999, "polic#: 1,", "rules: [{id: a, actions: [{type: cache, parameters: {", "}}]}]"),
        "MLO120",
    ),
    "4,900 regular expressions that would take a gigabyte": (
        many(4_900, f"  - {{id: a#, {LONG_REGEX}, actions: [{{type: cache}}]}}\n"),
        "MLO183",
    ),
    "4,900 regular expressions as large as may be": (
        many(4_900, f"  - {{id: a#, {LARGE_REGEX}, actions: [{{type: cache}}]}}\n"),
        "MLO183",
    ),
    "a glob of 300,000 stars": (
        _ONE % ("glob", "*?" * 150_000),
        "MLO135",
    ),
    "a regular expression of half a megabyte": (
        _ONE % ("matches", "(a|b)*" * 70_000),
        "MLO134",
    ),
    "aliases of lists": (
        "metadata: {a: &a [1,1,1,1,1,1,1,1,1,1], b: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a], c: ["
        + "*b," * 4_900
        + "]}",
        "MLO106",
    ),
    "aliases of a long text": (
        "metadata: {a: &a " + "x" * 500_000 + ", b: [" + "*a," * 4_900 + "]}\n",
        "MLO210",
    ),
    "a number of 900,000 digits": ("settings: {seed: " + "9" * 900_000 + "}", "MLO112"),
    "a fraction of 900,000 digits": ("settings: {confidence_threshold: 0." + "9" * 900_000 + "}", "MLO210"),
    "a name of 900,000 letters": ("name: " + "x" * 900_000, "MLO123"),
    "a list of 250,000 values": (
        "rules: [{id: a, conditions: [{type: file_context, property: size, value: ["
        + "1," * 250_000
        + "]}]}]",
        "MLO106",
    ),
    "90,000 file types that do not exist": (
        many(
            90_000,
            "modl#,",
            "rules: [{id: a, conditions: [{type: file_context, property: type, value: [",
            "]}]}]",
        ),
        "MLO181",
    ),
    "190,000 times no": ("tags: [" + "no," * 190_000 + "]", "MLO181"),
    "90,000 tags": ("tags: [" + "!!x 1," * 90_000 + "]", "MLO181"),
    "a million brackets": ("[" * 1_000_000, "MLO105"),
    "300,000 directives": ("%A b\n" * 200_000, "MLO103"),
    "a megabyte of comment": ("#" * 1_000_000, "MLO110"),
    "500,000 empty lines and a tab": ("\n" * 500_000 + "\t", "MLO103"),
    "4,999 templates": (many(4_999, "  - {id: t#, rules: [r#]}\n", "templates:\n"), "MLO210"),
    "strings that look like references": (
        many(3_000, f"  - {{id: 'a#${{${{${{', {CONDITION}}}\n", tail="name: '${" + "${" * 9_000 + "'\n"),
        "MLO210",
    ),
}


def run(*words: str) -> subprocess.CompletedProcess[str]:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))

    command = [sys.executable, "-c", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=limit)


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str] | str]:
    """Codes for each text, or how the process ended; the texts behind it are read by the next process."""
    folder = tmp_path_factory.mktemp("worst")
    names = {str(folder / f"{number}.yaml"): name for number, name in enumerate(WORST)}
    for path, name in names.items():
        Path(path).write_text(WORST[name][0])
    found: dict[str, list[str] | str] = {}
    while pending := [path for path, name in names.items() if name not in found]:
        done = run(READ, *pending)
        read = [json.loads(line) for line in done.stdout.splitlines()]
        found |= {names[path]: codes for path, codes in read}
        if done.returncode:
            found[names[pending[len(read)]]] = f"ended with {done.returncode}: {done.stderr[-500:]}"
    return found


@pytest.mark.parametrize("name", WORST)
def test_the_worst_is_answered_within_the_limits(name: str, answers: dict[str, list[str] | str]) -> None:
    assert isinstance(answers[name], list), answers[name]
    assert WORST[name][1] in answers[name]


def test_the_limit_is_one_that_ends_what_takes_more() -> None:
    assert "MemoryError" in run("x = bytearray(300 << 20)").stderr
