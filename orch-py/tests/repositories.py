"""Repositories and programs for tests."""

import subprocess
import sys


def git(folder, *arguments):
    who = ["-c", "user.name=Ann", "-c", "user.email=ann@example.org"]
    done = subprocess.run(["git", *who, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def python(code, *arguments):
    return [sys.executable, "-c", code, *arguments]


SHOW = "print(open('shop.txt').read(), end='')"
COUNT = "import sys; open(sys.argv[1], 'a').write('x')"
