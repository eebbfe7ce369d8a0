"""The direction of the imports in lib, read from its sources, and what an import does to the process."""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter

import pytest

from lib.settings import ROOT

# From the bottom: what stands on one floor imports nothing from a floor above.
FLOORS = (
    {"errors"},
    {"security"},
    {"settings"},
    {"wait", "query"},
    {"topics", "tweets", "infra"},
    {"spark_session", "spark_cluster", "trends", "ranking", "recount"},
    {"consumer", "producer"},
    {"live_table", "reset", "doctor", "class_data"},
    {"course"},
)
FLOOR_OF = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}


@cache
def sources() -> dict[str, ast.Module]:
    """{module of lib: its parsed source}."""
    found = {}
    for path in (ROOT / "lib").rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts).removesuffix(".__init__")] = ast.parse(path.read_text(encoding="utf-8"))
    return found


def import_statements(tree: ast.AST) -> Iterator[ast.AST]:
    """The import statements that may be executed, those inside functions too; not those under TYPE_CHECKING."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            yield from import_statements(ast.Module(node.orelse, []))
            continue
        by_name = isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module")
        if by_name or isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        yield from import_statements(node)


def modules_named(node: ast.AST) -> list[str]:
    """The modules that an import statement names; `from lib import x` names lib.x where that is a module."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.Call):  # importlib.import_module("…")
        return [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
    assert not node.level, f"line {node.lineno}: a relative import"
    inner = [f"{node.module}.{alias.name}" for alias in node.names]
    return [name if name in sources() else node.module for name in inner]


def imports(module: str) -> set[str]:
    """The modules that a module of lib imports, with the packages of lib that this executes on the way."""
    named = {name for node in import_statements(sources()[module]) for name in modules_named(node)}
    packages = {".".join(name.split(".")[:end]) for name in named for end in range(1, name.count(".") + 1)}
    own = {".".join(module.split(".")[:end]) for end in range(1, module.count(".") + 2)}
    return named | ({name for name in packages if name in sources()} - own)


def room(module: str) -> str:
    """The entry of lib's folder to which a module belongs; empty for lib itself and for what is not lib's."""
    first, _, rest = module.partition(".")
    return rest.split(".")[0] if first == "lib" else ""


def test_every_entry_of_lib_stands_on_one_floor():
    assert FLOOR_OF.keys() == {room(module) for module in sources()} - {""}
    assert sum(map(len, FLOORS)) == len(FLOOR_OF)


@pytest.mark.parametrize("module", sorted(sources()))
def test_no_module_imports_from_a_higher_floor(module):
    allowed = FLOOR_OF.get(room(module), -1)
    assert {name for name in imports(module) if FLOOR_OF.get(room(name), -1) > allowed} == set()


def test_no_circle():
    modules = {module: imports(module) for module in sources()}
    TopologicalSorter(modules).prepare()  # CycleError names the circle
    rooms = {one: set() for one in FLOOR_OF}
    for module, names in modules.items():
        rooms.setdefault(room(module), set()).update({room(name) for name in names} - {room(module), ""})
    TopologicalSorter(rooms).prepare()


def test_the_recount_shares_no_code_with_what_it_judges():
    foreign = {name for name in imports("lib.recount") if name.split(".")[0] not in sys.stdlib_module_names}
    assert foreign <= {"lib", "lib.errors"}
    assert {name for name in imports("lib.errors") if name.split(".")[0] not in sys.stdlib_module_names} == set()
    assert sources()["lib"].body[1:] == [], "nothing comes in by the package either"


@pytest.mark.parametrize("module", sorted(sources()))
def test_no_default_of_an_argument_reads_settings(module):
    """Such a default would be read once, at the import."""
    for node in ast.walk(sources()[module]):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            for default in filter(None, [*node.args.defaults, *node.args.kw_defaults]):
                words = re.findall(r"\w+", ast.unparse(default).lower())
                assert "settings" not in words, f"{module}, line {node.lineno}"


COMPARED = """
import importlib, json, logging, os, signal, sys, threading

def state():
    loggers = {"root": logging.root} | logging.root.manager.loggerDict
    return {
        "hooks": (sys.excepthook, sys.unraisablehook, threading.excepthook),
        "signal handlers": {number: signal.getsignal(number) for number in signal.valid_signals()},
        "another library's logger": {
            name: (logger.level, tuple(logger.handlers), logger.disabled, logger.propagate)
            for name, logger in loggers.items()
            if isinstance(logger, logging.Logger) and not name.startswith("lib")
        },
    }

class Watched(type(os.environ)):
    def __getitem__(self, name):
        assert not str(name).startswith("STREAM_"), f"reads {name}"
        return super().__getitem__(name)

others, modules = json.load(sys.stdin)
for statement in others:
    exec(statement)
before = state()
os.environ.__class__ = Watched
for module in modules:
    importlib.import_module(module)
    after = state()
    for what in before:
        assert before[what] == after[what], f"{module} changes {what}"
"""


def test_an_import_reads_no_setting_and_changes_nothing_of_the_process():
    """Other libraries are imported beforehand: what they do then is not compared."""
    statements = [node for tree in sources().values() for node in import_statements(tree)]
    others = {ast.unparse(node) for node in statements if not any(map(room, modules_named(node)))}
    texts = json.dumps([sorted(others - {"from __future__ import annotations"}), sorted(sources())])
    run = subprocess.run([sys.executable, "-c", COMPARED], input=texts, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr


def test_importing_lib_costs_nothing():
    imported = "import sys; before = set(sys.modules); import lib; print(*(set(sys.modules) - before))"
    run = subprocess.run([sys.executable, "-c", imported], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["lib"]
