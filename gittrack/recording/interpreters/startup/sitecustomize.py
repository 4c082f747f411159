"""What a Python below `gittrack run` says of itself at its start, and of what it imported at its end.

Any Python may run this, 2.7 among them, without gittrack and at the cost of no further import. It stands
in front of the user's own sitecustomize, which it runs. GITTRACK_NO_HOOK=1 or a missing folder end it at
once. Reports are fields ``name=value`` that end with a zero byte, in the folder of the run's journal.
"""

import os
import sys
import time

FOLDER = "pythons"
VARIABLES = "variables"
"""File in that folder: names of the environment variables that are reported."""
MOST = 1000
"""Reports of one job; Pythons that start later say nothing."""
PARENT = "GITTRACK_PYTHON"
"""Environment variable: name of the report of the Python that started this process, if only by a shell."""


def started_with(argv):
    """Options, and ``-c``, ``-m NAME`` or the path of a script; empty where code is typed or piped in."""
    options = []
    words = iter(argv[1:])
    for word in words:
        if word == "-" or not word.startswith("-"):
            return options, "" if word == "-" else word
        options.append(word)
        if word == "--check-hash-based-pycs":
            next(words, "")
        for at, letter in enumerate("" if word.startswith("--") else word):
            if letter in "cm":
                options[-1] = word[:at]
                name = word[at + 1 :] or next(words, "")
                return [o for o in options if o != "-"], "-c" if letter == "c" else "-m " + name
            if letter in "WX":
                next(words if not word[at + 1 :] else iter(()), "")
                break
    return options, ""


def _argv():
    if hasattr(sys, "orig_argv"):
        return sys.orig_argv
    with open("/proc/self/cmdline") as file:
        return file.read().split("\0")[:-1]


def _file():
    """The file of this interpreter behind all links: when it ends an environment of it may be gone."""
    try:
        return os.readlink("/proc/self/exe")
    except OSError:
        return os.path.realpath(sys.executable)


def _write(path, fields):
    """A file that was not there before, in one write."""
    text = "".join("%s=%s\0" % field for field in fields)
    data = text.encode("utf-8", "surrogateescape") if sys.version_info[0] > 2 else text
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        folder = os.stat(os.path.dirname(path)).st_mode
        if folder & 0o2000:  # shared by a group, as by gittrack.git.shared
            os.fchmod(file, 0o600 | (folder & 0o066))
        os.write(file, data)
    finally:
        os.close(file)


def _report(folder):
    """Say at the start what this Python is; the path of the report."""
    with open(os.path.join(folder, VARIABLES)) as file:
        names = file.read().split()
    number = len(os.listdir(folder))
    if number > 2 * MOST:
        return None
    name = "%08d-%d" % (number, os.getpid())
    fields = [
        ("when", repr(time.time())),
        ("pid", os.getpid()),
        ("parent", os.environ.get(PARENT, "")),
        ("executable", sys.executable),
        ("file", _file()),
        ("version", sys.version),
        ("implementation", sys.implementation.name if hasattr(sys, "implementation") else "cpython"),
        ("prefix", sys.prefix),
        ("base_prefix", getattr(sys, "base_prefix", sys.prefix)),
        ("cwd", os.getcwd()),
        ("ran", started_with(_argv())[1]),
    ]
    fields += [("path", folder) for folder in sys.path]
    fields += [("env", variable + "=" + os.environ[variable]) for variable in names if variable in os.environ]
    path = os.path.join(folder, name)
    _write(path, fields)
    os.environ[PARENT] = name
    return path


def _is_installed(module):
    """Whether it was imported from where packages are installed."""
    places = [getattr(module, "__file__", None)] + list(getattr(module, "__path__", None) or [])[:1]
    return any(isinstance(p, str) and ("site-packages" in p or "dist-packages" in p) for p in places)


def _report_end(path, pid):
    """Say at the end what had been imported, and from where."""
    try:
        if os.getpid() != pid:
            return  # a fork that ends as its parent does
        modules = [
            (name, module)
            for name, module in list(sys.modules.items())
            if "." not in name and name[:1] != "_"
        ]
        installed = [("module", name) for name, module in modules if _is_installed(module)]
        _write(path + ".end", [("path", folder) for folder in sys.path] + (installed or [("module", "")]))
    except Exception:
        pass  # nothing may come of it for the program


def _start():
    """Take this folder out of sys.path again, report, and run the user's own sitecustomize."""
    own = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [path for path in sys.path if path != own]
    journal = os.environ.get("GITTRACK_RUN")
    try:
        if journal and os.environ.get("GITTRACK_NO_HOOK", "") in ("", "0"):
            path = _report(os.path.join(journal, FOLDER))
            if path is not None:
                import atexit

                atexit.register(_report_end, path, os.getpid())
    except Exception:
        pass  # nothing may come of it for the program
    this = sys.modules.pop(__name__)
    try:
        import sitecustomize  # noqa: F401
    except ImportError as error:
        if getattr(error, "name", "sitecustomize") != "sitecustomize":
            raise
        sys.modules[__name__] = this


if __name__ == "sitecustomize":
    _start()
