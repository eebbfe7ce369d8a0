"""Snapshot of all error texts: what each CourseError that `lib` constructs says, read from the sources.

messages.txt has them by module. After a change on purpose: python -m tests.unit.test_messages
"""

import ast
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from lib.errors import CourseError
from lib.settings import ROOT

SNAPSHOT = Path(__file__).with_name("messages.txt")
NAMES = {error.__name__ for error in CourseError.__subclasses__()} | {"CourseError"}
PRIVATE_ENGLISH = re.compile(r"\b(anew|aside|of ours|begun with|(?<!there )is no )", re.IGNORECASE)
MOST_WORDS = 40  # of a sentence


def sources() -> dict[str, str]:
    """{module: source} of `lib`."""
    paths = sorted((ROOT / "lib").rglob("*.py"))
    names = (".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in paths)
    return {name: path.read_text(encoding="utf-8") for name, path in zip(names, paths, strict=True)}


class Messages:
    """The error messages of modules: `found` is [(module, error's name, texts of `what`, texts of `remedy`)].

    A text has {…} for what is known only when the program runs. An expression that may give several texts, such as
    `a if c else b` or a parameter of the function, counts with all of them.
    """

    def __init__(self, modules: dict[str, str]) -> None:
        self.trees = {name: ast.parse(source) for name, source in modules.items()}
        self.scopes = {}  # each node's functions and module, from the inside out
        for tree in self.trees.values():
            self.enter(tree, ())
        dictionaries = [
            node for node in self.scopes if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict)
        ]
        self.dictionaries = {getattr(node.targets[0], "id", ""): node.value for node in dictionaries}
        self.calls = [node for node in self.scopes if isinstance(node, ast.Call)]
        self.found = list(self.errors())

    def enter(self, node: ast.AST, around: tuple[ast.AST, ...]) -> None:
        self.scopes[node] = around
        inside = (node, *around) if isinstance(node, ast.FunctionDef | ast.Module) else around
        for child in ast.iter_child_nodes(node):
            self.enter(child, inside)

    def errors(self) -> Iterator[tuple[str, str, list[str], list[str]]]:
        modules = {tree: name for name, tree in self.trees.items()}
        for call in self.calls:
            if called(call) in NAMES:
                parts = {"what": 0, "remedy": 1}
                what, remedy = (self.texts(argument(call, name, place)) for name, place in parts.items())
                yield modules[self.scopes[call][-1]], called(call), what, remedy

    def texts(self, node: ast.AST, seen: frozenset[str] = frozenset()) -> list[str]:
        """The texts that an expression may give."""
        match node:
            case ast.Constant(value=str(text)):
                return [text.replace("\n", "\\n")]
            case ast.JoinedStr(values=parts):
                return ["".join(choice) for choice in itertools.product(*(self.texts(part, seen) for part in parts))]
            case ast.FormattedValue(value=inner) | ast.Call(func=ast.Attribute(value=inner, attr="lstrip")):
                return self.texts(inner, seen)
            case ast.BinOp(left=left, right=right) if self.is_text(node, seen):
                return [a + b for a in self.texts(left, seen) for b in self.texts(right, seen)]
            case ast.IfExp(body=one, orelse=other) if self.is_text(node, seen):
                return self.texts(one, seen) + self.texts(other, seen)
            case ast.Name(id=name) if name not in seen:
                values = [value for value in self.values(name, node) if self.is_text(value, seen | {name})]
                found = [text for value in values for text in self.texts(value, seen | {name})]
                return list(dict.fromkeys(found)) or [f"{{{name}}}"]
        return [f"{{{ast.unparse(node)}}}"]

    def is_text(self, node: ast.AST, seen: frozenset[str]) -> bool:
        match node:
            case ast.BinOp(left=one, op=ast.Add(), right=other) | ast.IfExp(body=one, orelse=other):
                return self.is_text(one, seen) or self.is_text(other, seen)
            case ast.Name(id=name) if name not in seen:
                return any(self.is_text(value, seen | {name}) for value in self.values(name, node))
        return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))

    def values(self, name: str, used: ast.AST) -> list[ast.AST]:
        """What a name is in the innermost function that knows it: by assignments, by loops, or as a parameter."""
        for scope in self.scopes[used]:
            inside = [node for node in self.scopes if scope in self.scopes[node]]
            found = [value for node in inside for value in assigned(name, node)]
            others = [value for node in inside for value in self.looped(name, node)]
            parameters = [each.arg for each in scope.args.args] if isinstance(scope, ast.FunctionDef) else []
            if name in parameters:
                place = parameters.index(name) - (parameters[0] == "self")
                others += [argument(call, name, place) for call in self.calls if called(call) == scope.name]
            # A single word may be a value of another loop, or a parameter of another function with the same name.
            found += [value for value in others if value and not self.is_word(value)]
            if found:
                return found
        return []

    def is_word(self, node: ast.AST) -> bool:
        """Whether it is a text without a space, or the name of a constant that is one."""
        if isinstance(node, ast.Name) and node.id.isupper():
            found = self.values(node.id, node)
            return bool(found) and all(map(self.is_word, found))
        return isinstance(node, ast.Constant) and " " not in str(node.value)

    def looped(self, name: str, node: ast.AST) -> list[ast.AST]:
        """The expressions that a loop over a dictionary gives to a name."""
        match node:
            case ast.For(target=target, iter=ast.Call(func=ast.Attribute(value=ast.Name(id=items), attr="items"))):
                found = self.dictionaries.get(items, ast.Dict([], []))
                pairs = (ast.Tuple([*pair]) for pair in zip(found.keys, found.values, strict=True))
                return [value for pair in pairs for value in given(name, target, pair)]
        return []


def assigned(name: str, node: ast.AST) -> list[ast.AST]:
    return given(name, node.targets[0], node.value) if isinstance(node, ast.Assign) else []


def given(name: str, target: ast.AST, value: ast.AST) -> list[ast.AST]:
    """The parts of a value that an assignment to a target gives to a name."""
    match target, value:
        case ast.Name(id=found), _:
            return [value] if found == name else []
        case ast.Tuple(elts=targets), ast.Tuple(elts=values):
            return [part for pair in zip(targets, values, strict=False) for part in given(name, *pair)]
        case ast.Tuple(), ast.IfExp(body=one, orelse=other):
            return given(name, target, one) + given(name, target, other)
    return []


def called(call: ast.Call) -> str:
    """The last name of what is called."""
    return getattr(call.func, "id", getattr(call.func, "attr", ""))


def argument(call: ast.Call, name: str, place: int) -> ast.AST | None:
    by_name = {keyword.arg: keyword.value for keyword in call.keywords}
    return call.args[place] if place < len(call.args) else by_name.get(name)


def snapshot() -> str:
    """The content of messages.txt: a paragraph for each error, with the texts of `what`, then after > of `remedy`."""
    return "\n".join(
        "\n".join([f"{module}: {name}", *(f"  {text}" for text in what), *(f"  > {text}" for text in remedy), ""])
        for module, name, what, remedy in Messages(sources()).found
    )


def test_the_messages_are_those_of_the_snapshot():
    assert snapshot() == SNAPSHOT.read_text(encoding="utf-8"), "if on purpose: python -m tests.unit.test_messages"


def test_the_messages_are_plain_and_have_a_remedy():
    for module, _, whats, remedies in Messages(sources()).found:
        assert remedies and all(remedy.strip() for remedy in remedies), (module, whats)
        for text in whats + remedies:
            plain = re.sub(r"\{[^{}]*\}", "X", text)
            assert not PRIVATE_ENGLISH.search(plain), (module, text)
            for sentence in re.split(r"(?<=[.?!])\s+|\\n", plain):
                assert len(sentence.split()) <= MOST_WORDS, (module, sentence)


@pytest.mark.parametrize(
    "source, what, remedy",
    [
        ("raise TopicError('no topic', 'create it', topic=t)", ["no topic"], ["create it"]),
        ("raise errors.TopicError(f'{t!r}: {len(t)}', remedy='a' + B)", ["{t}: {len(t)}"], ["a{B}"]),
        ("B = 'b'\ndef f():\n  a = 'x' if c else f'y{B}'\n  raise TopicError(a, B)", ["x", "yb"], ["b"]),
        ("def f():\n  a, b = ('1', '2') if c else ('3', '4')\n  raise TopicError(a, b)", ["1", "3"], ["2", "4"]),
        ("def f(a, b): raise TopicError(a, b)\nf('1 x', b='2 x')\nf(x, '3 x')", ["1 x"], ["2 x", "3 x"]),
        ("W = 'x'\ndef f(a): raise TopicError(f'no {a}', 'b')\nf(W)", ["no {a}"], ["b"]),
        ("D = {'1': '2 x', '3': '4 x'}\nfor a, b in D.items(): raise TopicError(a, b)", ["{a}"], ["2 x", "4 x"]),
        ("raise TopicError(f'{a + 1}', f'{b} c'.lstrip())", ["{a + 1}"], ["{b} c"]),
        ("def f():\n  a = a + 'b'\n  raise TopicError(a, g(a))", ["{a}b"], ["{g(a)}"]),
    ],
)
def test_each_way_to_construct_an_error_is_read(source, what, remedy):
    assert Messages({"lib.some": source}).found == [("lib.some", "TopicError", what, remedy)]


if __name__ == "__main__":
    SNAPSHOT.write_text(snapshot(), encoding="utf-8")
