"""Helpers of the tests that need neither a broker nor Spark."""

import os

import pytest


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """Put a `docker` on PATH that answers what the real one does, except for the lines of shell; its path."""

    def make(lines: str = "", memory: int = 8_000_000_000):
        program = tmp_path / "bin" / "docker"
        program.parent.mkdir(exist_ok=True)
        program.write_text(
            f"""#!/bin/sh
            {lines}
            case "$1" in
                --version) echo "Docker version 28.2.2, build e6534b4";;
                info) echo "28.2.2|{memory}";;
            esac
            exit 0"""
        )
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}/usr/bin{os.pathsep}/bin")
        return program

    return make
