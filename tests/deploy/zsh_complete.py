# SPDX-License-Identifier: Apache-2.0
"""zsh_complete: what a real interactive zsh would offer for a line, asked over a pseudo-terminal.

zsh runs with -f and the completion system on; compadd is wrapped so that what matches is written to
a file, one word a line. The line is typed, the wrapped completion runs, a last line says "done".
"""
import os
import pathlib
import pty
import select
import signal
import subprocess
import time

SETUP = r"""
PS1='' PS2='' RPS1=''
unsetopt prompt_cr prompt_sp zle_bracketed_paste beep 2>/dev/null
autoload -Uz compinit && compinit -u -D
compadd() {
    local -a hits
    [[ ${@[1,(i)(-|--)]} == *-[OAD]* ]] && { builtin compadd "$@"; return }
    builtin compadd -O hits "$@"
    (( $#hits )) && print -rl -- $hits >> $HITS
    builtin compadd "$@"
}
ask() { zle complete-word; zle kill-buffer; print -r -- '=done=' >> $HITS }
zle -N ask
bindkey '^X' ask
print -r -- '=ready=' >> $HITS
"""


class Zsh:
    def __init__(self, work, functions, path, environment, seconds):
        self.seconds = seconds
        self.hits = pathlib.Path(work) / "zsh-hits"
        self.hits.write_text("")
        setup = pathlib.Path(work) / "setup.zsh"
        setup.write_text(f"fpath=({functions} $fpath)\n" + SETUP)
        self.terminal, child = pty.openpty()
        env = dict(environment, PATH=f"{path}:/usr/bin:/bin", HITS=str(self.hits), TERM="dumb",
                   HOME=str(work), ZDOTDIR=str(work))
        self.process = subprocess.Popen(["zsh", "-f", "-i"], stdin=child, stdout=child,
                                        stderr=child, env=env, start_new_session=True)
        os.close(child)
        os.write(self.terminal, f"source {setup}\n".encode())
        self._wait("=ready=")

    def _wait(self, word):
        until = time.monotonic() + self.seconds
        said = b""
        while word not in self.hits.read_text(encoding="utf-8").splitlines():
            if time.monotonic() > until:
                raise AssertionError(f"zsh does not answer: {said[-400:]!r}")
            if select.select([self.terminal], [], [], 0.05)[0]:
                said += os.read(self.terminal, 65536)
        while select.select([self.terminal], [], [], 0.05)[0]:
            said += os.read(self.terminal, 65536)
        return said

    def complete(self, line):
        self.hits.write_text("")
        os.write(self.terminal, line.encode() + b"\x18")
        said = self._wait("=done=")
        assert b"pledge: " not in said, f"the program spoke into the line: {said!r}"
        words = self.hits.read_text(encoding="utf-8").splitlines()[:-1]
        return list(dict.fromkeys(words))

    def close(self):
        os.kill(self.process.pid, signal.SIGHUP)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self.terminal)
