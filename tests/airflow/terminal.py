"""A terminal in which a test types what a page says."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import termios
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from tools.real_airflow import PATIENCE, end_sessions

_BASH = "env PS1= PS2= bash --norc --noprofile --noediting -i"
_DONE = "--- done with"
_CONTROL_C, _CONTROL_BACKSLASH = b"\x03", b"\x1c"


class Terminal:
    """
    A pseudo terminal with a bash in it.

    :param folder: where the bash starts.
    :param environment: its variables.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._shown: list[bytes] = []
        self._commands = 0
        self._keyboard, self._screen = os.openpty()
        _show_plain_text(self._screen)
        self._shell = subprocess.Popen(
            # A new session gets the first terminal that it opens.
            ["bash", "-c", f'exec {_BASH} <"$0" >"$0" 2>&1', os.ttyname(self._screen)],
            cwd=folder,
            env={**environment, "TERM": "dumb"},
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *error: object) -> None:
        """Close the terminal, and end everything that still runs in it."""
        end_sessions({self._shell.pid})
        self._shell.wait()
        os.close(self._screen)
        self._reader.join(timeout=10)
        os.close(self._keyboard)

    @property
    def text(self) -> str:
        """Everything that the terminal has shown."""
        return b"".join(self._shown).decode(errors="replace")

    def type(self, commands: str) -> None:
        """Type one or more lines; do not wait for their end."""
        self._commands += 1
        os.write(self._keyboard, f"{commands.rstrip()}\necho '{_DONE}' {self._commands}: $?\n".encode())

    def run(self, commands: str, within: float = 60) -> None:
        """
        Type lines and wait until each has succeeded.

        :param within: seconds that a line takes at most on a quiet machine.
        """
        for line in re.sub(r"\\\n\s*", "", commands).splitlines():
            before = len(self.text)
            self.type(line)
            assert self.wait(within) == 0, f"{line}\n{self.text[before:]}"

    def wait(self, within: float = 60) -> int:
        """Wait for the end of the last command; return its exit code."""
        return int(self.wait_for(rf"^{_DONE} {self._commands}: (\d+)$", within)[1])

    def wait_for(self, pattern: str, within: float = 60) -> re.Match[str]:
        """Wait until the terminal shows a text."""
        deadline = time.monotonic() + within * PATIENCE
        while True:
            if found := re.search(pattern, self.text, re.MULTILINE):
                return found
            assert self._shell.poll() is None, f"the shell ended:\n{self.text[-2000:]}"
            assert time.monotonic() < deadline, f"{pattern} did not appear:\n{self.text[-2000:]}"
            time.sleep(0.1)

    def stop(self, within: float = 20) -> None:
        r"""
        End the program in the foreground: press Ctrl-C, and Ctrl-\ if that does not help. As a last resort, kill it.

        Airflow's scheduler may hang after a Ctrl-C: the signal of ``airflow standalone`` reaches it while it ends its
        workers.

        :param within: seconds that each way has.
        """
        for key in (_CONTROL_C, _CONTROL_BACKSLASH):
            os.write(self._keyboard, key)
            if self._answers(within):
                return
        foreground = os.tcgetpgrp(self._keyboard)
        if foreground != self._shell.pid:
            os.killpg(foreground, signal.SIGKILL)
        assert self._answers(within), f"it still runs:\n{self.text[-2000:]}"

    def _answers(self, within: float) -> bool:
        """Whether the shell takes a line again. The program that ended may have read input that was meant for it."""
        self.type(":")
        with suppress(AssertionError):
            self.wait(within / PATIENCE)
            return True
        return False

    def _read(self) -> None:
        while True:
            try:
                self._shown.append(os.read(self._keyboard, 1 << 16))
            except OSError:  # no process has it open any more
                return


def _show_plain_text(screen: int) -> None:
    """Echo no input, show no carriage returns, and keep the input that is typed before a Ctrl-C."""
    modes = termios.tcgetattr(screen)
    modes[1] &= ~termios.OPOST
    modes[3] = (modes[3] & ~termios.ECHO) | termios.NOFLSH
    termios.tcsetattr(screen, termios.TCSANOW, modes)
