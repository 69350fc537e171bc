"""The direction of imports: app -> train -> lebm, and what each may not touch."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OURS = {"lebm", "train", "app", "tests"}
NOT_IN_LEBM = {"streamlit", "plotly", "argparse", "tyro", "torchvision", "sklearn"}
CACHES = {"cache_data", "cache_resource"}


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imported(file: Path) -> set[str]:
    """Top-level names of everything that a file imports, at any depth of nesting."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(
                file.relative_to(ROOT).parts[0] if node.level else str(node.module).split(".")[0]
            )
    return names


def touches_cache(file: Path) -> bool:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    names = {alias.name for node in imports for alias in node.names}
    return bool((attributes | names) & CACHES)


def all_imported(package: str) -> set[str]:
    return set().union(*map(imported, modules(package)))


@pytest.mark.parametrize(
    ("package", "allowed"),
    [
        ("lebm", {"lebm"}),
        ("train", {"train", "lebm"}),
        ("app", {"app", "train", "lebm"}),
    ],
)
def test_imports_only_what_lies_below(package, allowed):
    for file in modules(package):
        assert imported(file) & OURS <= allowed, file


def test_lebm_knows_no_interface_and_no_data_set():
    for file in modules("lebm"):
        assert not imported(file) & NOT_IN_LEBM, file


def test_train_knows_no_interface_but_the_command_line():
    assert not all_imported("train") & {"streamlit", "plotly"}


def test_one_module_of_app_caches():
    assert len([file for file in modules("app") if touches_cache(file)]) == 1


def test_nothing_in_app_shadows_a_package():
    names = {file.name for file in (ROOT / "app").glob("*.py")}
    assert not names & {"app.py", "train.py", "lebm.py"}


def test_the_parser_sees_the_imports_there_are():
    assert {"torch", "msgspec", "lebm"} <= all_imported("lebm")
    assert {"torchvision", "sklearn", "lebm"} <= all_imported("train")
    assert {"streamlit", "train", "lebm"} <= all_imported("app")
