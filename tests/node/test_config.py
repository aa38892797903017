from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from wetread.errors import ConfigError
from wetread.node.config import Config, commented_config, read_config


def uncommented() -> str:
    """The commented file with each setting taken in."""
    lines = []
    for line in commented_config().splitlines():
        setting = re.fullmatch(r"# (\[.+\]|\w+ = .*)", line)
        lines.append(setting[1] if setting else line)
    return "\n".join(lines)


def write(folder: Path, text: str) -> Path:
    path = folder / "wetread.toml"
    path.write_text(text)
    return path


def test_the_commented_file_as_it_is_gives_the_defaults(tmp_path: Path):
    assert vars(read_config(write(tmp_path, commented_config()))) == vars(Config())


def test_the_commented_file_names_every_setting_with_its_default(tmp_path: Path):
    given = tomllib.loads(uncommented())
    sections = {name: field for name, field in Config.model_fields.items() if name != "archives"}
    assert set(given) == {*sections, "archives"}
    for name, field in sections.items():
        section = field.annotation
        assert set(given[name]) == set(section.model_fields), name
        for key, one in section.model_fields.items():
            if key == "tls":
                assert set(given[name][key]) == set(one.annotation.model_fields)
            elif not one.examples and one.default is not None:
                default = one.default
                shown = list(default) if isinstance(default, tuple) else default
                shown = str(shown) if isinstance(shown, Path) else shown
                assert given[name][key] == shown, key


def test_the_whole_commented_file_loads_once_its_examples_are_taken(tmp_path: Path):
    found = read_config(write(tmp_path, uncommented()))
    assert found.archives[0].name == "pacs"
    assert found.archives[0].port == 104
    assert found.dicom.port == Config().dicom.port
    assert found.delivery == Config().delivery


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[dicom]\nport = 70000", "dicom.port"),
        ("[dicom]\nprot = 104", "dicom.prot"),
        ("[dicom]\nae_title = 'far too long a title'", "dicom.ae_title"),
        ("[nothing]\nx = 1", "nothing"),
        ("[node]\nlease_s = 0", "node.lease_s"),
        ("[node]\nresults = ['pdf']", "node.results"),
        ("[dicom.tls]\nkey = 'a.pem'", "certificate and key go together"),
        ("[[archives]]\nname = 'a'", "needs host and port"),
        ("[[archives]]\nname = 'a'\nkind = 'stow'\nurl = 'ftp://x'", "needs url"),
        ("[[archives]]\nname = 'a b'", "archives.0.name"),
        (
            "[[archives]]\nname = 'a'\nkind = 'mllp'\nhost = 'h'\nport = 1\ntakes = ['sr']",
            "carries none of sr",
        ),
        ("[[archives]]\nname='a'\nhost='h'\nport=1\n" * 2, "two archives of one name"),
        ("[order]\ncritical = ['Cold']", "Cold is none of"),
        ("[order]\nnormal_score = 0.9", "go together"),
        ("port = ", "no TOML"),
        ("[node]\nx = 1\n[node]", "no TOML"),
    ],
)
def test_a_wrong_setting_is_named_in_one_line(tmp_path: Path, text: str, said: str):
    with pytest.raises(ConfigError) as error:
        read_config(write(tmp_path, text))
    assert said in str(error.value)
    assert "\n" not in str(error.value)
    assert "wetread.toml" in str(error.value)


def test_an_absent_file_says_how_to_get_one(tmp_path: Path):
    with pytest.raises(ConfigError, match="--init"):
        read_config(tmp_path / "none.toml")


def test_the_environment_stands_above_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = write(tmp_path, "[dicom]\nport = 104\nae_title = 'A'")
    monkeypatch.setenv("WETREAD_DICOM__PORT", "105")
    monkeypatch.setenv("WETREAD_NODE__OPERATING_POINT", "high_sensitivity")
    found = read_config(path)
    assert (found.dicom.port, found.dicom.ae_title) == (105, "A")
    assert found.node.operating_point == "high_sensitivity"
    monkeypatch.setenv("WETREAD_DICOM__PORT", "many")
    with pytest.raises(ConfigError, match=r"dicom\.port"):
        read_config(path)


def test_other_variables_that_begin_alike_do_no_harm(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WETREAD_CACHE", "/somewhere")
    monkeypatch.setenv("WETREAD_REAL_DATA", "/elsewhere")
    assert read_config(None).node.workers == 1


def test_paths_follow_from_the_folder(tmp_path: Path):
    found = read_config(write(tmp_path, f"[node]\ndata = '{tmp_path}/data'"))
    assert found.films == tmp_path / "data" / "films"
    assert found.store_url == f"sqlite:///{tmp_path}/data/store.db"
