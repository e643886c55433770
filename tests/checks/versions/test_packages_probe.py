"""What is installed, read in real environments made for the purpose."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from packaging.version import Version

from qvl_checks.versions.packages_facts import VERSIONS_PACKAGES, PackagesFacts


def test_an_empty_environment_has_nothing(environment: Any) -> None:
    facts: PackagesFacts = environment.run(VERSIONS_PACKAGES)
    assert facts.copies == {} and facts.modules == {}
    assert facts.version("torch") is None and facts.first("torch") is None


def test_metadata_is_read_without_importing(environment: Any) -> None:
    environment.install(
        "torch",
        "2.8.0+cu128",
        "raise SystemExit('imported')\n__version__ = '2.8.0+cu128'\n",
        "Requires-Python: >=3.9",
        "Requires-Dist: filelock",
        'Requires-Dist: triton==3.4.0; platform_system == "Linux"',
    )
    (environment.site_packages / "torch-2.8.0+cu128.dist-info" / "WHEEL").write_text(
        "Wheel-Version: 1.0\nTag: cp311-cp311-manylinux_2_28_x86_64\n"
    )
    facts: PackagesFacts = environment.run(VERSIONS_PACKAGES)
    (copy,) = facts.copies["torch"]
    assert copy.version == "2.8.0+cu128"
    assert copy.requires_python == ">=3.9"
    assert copy.requires == ("filelock", 'triton==3.4.0; platform_system == "Linux"')
    assert copy.wheel_tags == ("cp311-cp311-manylinux_2_28_x86_64",)
    assert (copy.installer, copy.found_through) == ("pip", "environment")
    assert facts.modules["torch"].source_version == "2.8.0+cu128"
    assert facts.version("torch") == Version("2.8.0+cu128")


def test_copies_keep_the_order_of_the_path(environment: Any, tmp_path: Path) -> None:
    other = tmp_path / "other"
    environment.install("transformers", "4.57.6")
    environment.module("transformers", '__version__ = "4.44.2"', folder=other)
    environment.metadata("transformers", "4.44.2", folder=other)
    facts: PackagesFacts = environment.run(VERSIONS_PACKAGES, PYTHONPATH=str(other))
    assert [copy.version for copy in facts.copies["transformers"]] == ["4.44.2", "4.57.6"]
    assert [copy.found_through for copy in facts.copies["transformers"]] == [
        "PYTHONPATH",
        "environment",
    ]
    assert facts.installed["transformers"] == "4.44.2"
    assert facts.modules["transformers"].source_version == "4.44.2"
    assert facts.pythonpath == (str(other),)


def test_damaged_metadata_keeps_the_row(environment: Any) -> None:
    environment.module("numpy")
    info = environment.metadata("numpy", "2.0.0")
    (info / "METADATA").write_bytes(b"Name: numpy\nSummary: \xff\xfe\n")
    (info / "direct_url.json").write_text("{not json")
    (environment.site_packages / "~orch-2.0.dist-info").mkdir()
    facts: PackagesFacts = environment.run(VERSIONS_PACKAGES)
    (copy,) = facts.copies["numpy"]
    assert copy.version is None and "version" in copy.unread
    assert copy.editable is None and "editable" in copy.unread
    assert facts.installed["numpy"] == "2.0.0", "the folder's name still states it"
    assert "orch" not in facts.installed and "~orch" not in facts.installed


def test_an_editable_source_loses_its_credentials(environment: Any) -> None:
    info = environment.metadata("transformers", "5.0.0.dev0")
    (info / "direct_url.json").write_text(
        json.dumps({"url": "https://user:secret@git.example/t", "dir_info": {"editable": True}})
    )
    facts: PackagesFacts = environment.run(VERSIONS_PACKAGES)
    (copy,) = facts.copies["transformers"]
    assert copy.editable is True
    assert copy.source == "https://git.example/t"


def test_files_of_the_working_folder_that_would_win(
    environment: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (work / "torch.py").write_text("")
    (work / "accelerate").mkdir()  # without __init__.py the installed package wins
    environment.module("flash_attn", folder=work)  # a checkout of its sources
    environment.install("torch", "2.8.0")
    monkeypatch.chdir(work)
    facts: PackagesFacts = environment.run(VERSIONS_PACKAGES)
    assert facts.shadowed_by_working_folder == (
        str(work / "flash_attn" / "__init__.py"),
        str(work / "torch.py"),
    )
    assert facts.modules["torch"].file == str(environment.site_packages / "torch" / "__init__.py")


def test_the_rest_of_a_removed_package_is_a_namespace(environment: Any) -> None:
    (environment.site_packages / "transformers").mkdir()
    facts: PackagesFacts = environment.run(VERSIONS_PACKAGES)
    assert facts.modules["transformers"].namespace is True


def test_it_runs_without_home(environment: Any) -> None:
    variables = dict.fromkeys(("HOME", "USERPROFILE"), "")
    assert environment.run(VERSIONS_PACKAGES, **variables).copies == {}


def test_the_reference_stack_is_whole() -> None:
    from qvl_checks.versions import packages_probe

    facts = packages_probe.run({})
    assert os.path.realpath(facts["modules"]["transformers"]["file"]).startswith(
        os.path.realpath(sys.prefix)
    )
    for name in ("torch", "transformers", "accelerate", "tokenizers"):
        assert len(facts["copies"][name]) == 1, name
        assert facts["copies"][name][0]["unread"] == {}
