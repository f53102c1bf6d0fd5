"""What README.md promises about configurations is true."""
import pathlib
import re
import shutil

import pytest

import postrider
from certificates import Authority

README = pathlib.Path(__file__).resolve().parents[2] / "README.md"


def configurations():
    """Each indented block that begins with a hostname is a whole file."""
    blocks = re.findall(r"(?:^    .*\n)+", README.read_text(encoding="utf-8"), re.MULTILINE)
    files = ["".join(line[4:] + "\n" for line in block.splitlines()) for block in blocks]
    return [text for text in files if text.startswith("hostname")]


def test_the_readme_has_five_configurations():
    assert len(configurations()) == 5


@pytest.mark.parametrize("number", range(5))
def test_a_configuration_of_the_readme_is_right(number, tmp_path):
    """Only the files that it names, which are somebody's own, are put elsewhere."""
    for name, text in (("recipients", ""), ("aliases", ""), ("accounts", ""),
                       ("credentials", "smarthost web1 secret\n")):
        (tmp_path / name).write_text(text, encoding="utf-8")
        (tmp_path / name).chmod(0o600)
    pem, key = Authority(tmp_path / "authority").sign("mx.example.org")
    shutil.copy(pem, tmp_path / "mx.pem")
    shutil.copy(key, tmp_path / "mx.key")
    path = tmp_path / "postrider.conf"
    path.write_text(configurations()[number].replace("/etc/postrider/", f"{tmp_path}/"), encoding="utf-8")
    done = postrider.config_check(path)
    assert (done.returncode, done.stderr) == (0, "")
