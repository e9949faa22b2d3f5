"""A result says which code made it, and whether that code is in the commit."""

import subprocess

from twosome import versions


def test_the_commit_is_marked_while_code_is_changed_or_new(tmp_path, monkeypatch):
    package = tmp_path / "src" / "twosome"
    package.mkdir(parents=True)
    (package / "versions.py").write_text("")
    monkeypatch.setattr(versions, "__file__", str(package / "versions.py"))
    assert versions.versions()["commit"] is None

    def git(*words):
        who = ["-c", "user.name=a", "-c", "user.email=a@b"]
        subprocess.run(["git", "-C", str(tmp_path), *who, *words], check=True, capture_output=True)

    git("init")
    git("add", ".")
    git("commit", "-m", "first")
    clean = versions.versions()["commit"]
    assert len(clean) == 40
    (tmp_path / "notes.txt").write_text("a result, no code")
    assert versions.versions()["commit"] == clean
    (package / "new.py").write_text("")
    assert versions.versions()["commit"] == f"{clean}-dirty"
    (package / "new.py").unlink()
    (package / "versions.py").write_text("x = 1")
    assert versions.versions()["commit"] == f"{clean}-dirty"
