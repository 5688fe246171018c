"""The declaration's file: what is wrong with it is said in one line, with its line, and no traceback."""

from __future__ import annotations

import pytest

from cli.tiny import in_process_of_its_own
from cli.tiny import shortlist as run

DECLARED = 'import shortlist as sl\napp = sl.App("shop")\n'


def test_without_a_file_init_is_named(folder):
    ran = run("check", status=2)
    assert "declaration app.py" in ran.output
    assert "shortlist init" in ran.output


def test_another_file_can_be_named(folder):
    (folder / "shop.py").write_text(DECLARED + 'user = app.entity("user", country=str)\n')
    assert "country str" in run("check", "--app", "shop.py").output


def test_a_file_may_import_its_neighbours(folder):
    (folder / "neighbour_of_the_app.py").write_text('COUNTRY = "country"\n')
    (folder / "app.py").write_text(
        f"import neighbour_of_the_app as other\n{DECLARED}" + 'app.entity("user", **{other.COUNTRY: str})\n'
    )
    assert "country str" in run("check").output


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1\n", "expected a variable app that holds an sl.App, received none"),
        (DECLARED.replace("app =", "shop ="), "received one called shop"),
        (DECLARED + 'app.entity("user", age=list)\n', "app.py, line 3: attribute user.age: expected a type"),
        (DECLARED + "app = = 1\n", "app.py, line 3: SyntaxError"),
        ("import nothing_of_that_name\n", "app.py, line 1: ModuleNotFoundError"),
        ("def f():\n    return 1 / 0\n\n\nf()\n", "app.py, line 2: ZeroDivisionError"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(folder, text, said):
    (folder / "app.py").write_text(text)
    assert said in run("check", status=2).output


def test_a_traceback_is_shown_only_when_asked_for(folder):
    (folder / "app.py").write_text(DECLARED + 'app.entity("user", age=list)\n')
    plain = in_process_of_its_own("check", folder=folder)
    assert plain.returncode == 2
    assert plain.stdout == ""
    assert plain.stderr.startswith("shortlist: app.py, line 3")
    assert plain.stderr.count("\n") == 1
    for arguments in (["check", "--debug"], ["--debug", "check"]):
        assert "Traceback" in in_process_of_its_own(*arguments, folder=folder).stderr
