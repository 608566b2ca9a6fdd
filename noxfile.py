"""Everything that is checked, each in an environment of its own: `nox --list`."""

import json
import re
import shutil
import sys
import tomllib
from pathlib import Path

import nox

nox.needs_version = ">=2024.10"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.error_on_missing_interpreters = False

PROJECT = nox.project.load_toml("pyproject.toml")
SUPPORTED = ("3.11", "3.12", "3.13")
EXTRAS = ".[alpaca,cli,coinbase,emulator,fast,prometheus,web]"

#: What the benchmarks compare with: the module of `benchmarks/rows`, and its package.
PEERS = {"alpaca_py": "alpaca-py", "nautilus": "nautilus_trader", "freqtrade_orders": "freqtrade"}

#: The checks of accessibility.
AXE = "axe-core@4"

#: The least share of symbols whose types pyright knows.
KNOWN_MIN = 0.99

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
nox.options.sessions = [f"tests-{HERE}" if HERE in SUPPORTED else "tests"]


def install(session: nox.Session, *groups: str, package: str | None = EXTRAS) -> None:
    """The project, and the dependency groups of that name."""
    wanted = nox.project.dependency_groups(PROJECT, *groups)
    # The tests start hundreds of processes; each would compile the package again.
    session.env["PYTHONDONTWRITEBYTECODE"] = ""
    session.install(*(("-e", package) if package else ()), *wanted)


@nox.session(python=SUPPORTED)
def tests(session: nox.Session) -> None:
    """The tests; many of them wait for another process, so three keep two cores busy."""
    install(session, "tests")
    session.run("pytest", "-n", "3", "--dist", "worksteal", *session.posargs)


@nox.session
def coverage(session: nox.Session) -> None:
    """Whether the core's own tests, all of them, visit every branch of it."""
    install(session, "tests")
    session.env["FILLBOOK_TEST_SAMPLED"] = "all"
    session.run(
        *("pytest", "-n", "2", "--timeout=600", "tests/core"),
        *("--cov=fillbook.core", "--cov-branch", "--cov-report=", *session.posargs),
    )
    session.run("coverage", "report", "--include=*/core/*", "--show-missing", "--fail-under=100")


@nox.session
def lint(session: nox.Session) -> None:
    """Format and style."""
    install(session, "lint", package=None)
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Strict typing, on the sources and on the public face."""
    install(session, "types", "tests")
    session.run("mypy")


@nox.session
def face(session: nox.Session) -> None:
    """How many symbols of the installed package pyright knows the types of: 99 in 100."""
    install(session, "face", package=None)
    session.install(EXTRAS)  # not editable: pyright reads what is installed
    told = session.run(
        *("pyright", "--verifytypes", "fillbook", "--ignoreexternal", "--outputjson"),
        silent=True,
        success_codes=[0, 1],  # 1: a symbol is unknown; the score decides
    )
    score = json.loads(str(told))["typeCompleteness"]["completenessScore"]
    session.log(f"{score:.2%} of the symbols have known types")
    if score < KNOWN_MIN:
        session.error(f"fewer than {KNOWN_MIN:.0%}")


@nox.session
def docs(session: nox.Session) -> None:
    """The pages; a warning is an error."""
    install(session, "docs")
    session.run("sphinx-build", "-W", "-q", "-b", "html", "docs", "docs/_build")


@nox.session
def package(session: nox.Session) -> None:
    """The wheel and the sdist: their metadata and files, and the wheel in an empty environment."""
    session.install("build", "twine")
    folder = session.create_tmp()
    session.run("python", "-m", "build", "--outdir", folder)  # the wheel is made from the sdist
    wheel, sdist = (str(next(Path(folder).glob(f"*.{end}"))) for end in ("whl", "tar.gz"))
    session.run("twine", "check", "--strict", wheel, sdist)
    session.run("python", "tests/project/packed.py", wheel, sdist)
    empty = Path(folder, "empty")
    session.run("python", "-m", "venv", "--clear", str(empty))
    python = str(empty / "bin" / "python")
    for what in (wheel, "fillbook[cli]"):  # the extra of what is installed, as the messages say
        session.run(python, "-m", "pip", "install", "-q", what, external=True)
    session.run(python, "-c", "import fillbook; print(fillbook.__version__)", external=True)
    session.run(str(empty / "bin" / "fillbook"), "demo", external=True, silent=True)


@nox.session(python="3.11")
def lowest(session: nox.Session) -> None:
    """The tests on the lowest versions that we say we work with."""
    pins = session.create_tmp() + "/lowest.txt"
    Path(pins).write_text("\n".join(lowest_versions()))
    session.install("-e", EXTRAS, *nox.project.dependency_groups(PROJECT, "tests"), "-c", pins)
    session.run("pytest", "-n", "2", *session.posargs)


@nox.session
def crash(session: nox.Session) -> None:
    """Hundreds of kills of a writing process."""
    install(session, "tests")
    session.env.update(FILLBOOK_TEST_KILLS="300", FILLBOOK_TEST_SAMPLED="all")
    session.run("pytest", "--timeout=1800", "-k", "kill", "tests", *session.posargs)


@nox.session
def growth(session: nox.Session) -> None:
    """What must not grow, by count: 20,000 closed and 20,000 open orders, 20,000 fills of one."""
    install(session, "tests")
    session.env["FILLBOOK_TEST_GROWTH"] = "100"
    session.run("pytest", "--timeout=1800", "tests/stores/test_growth.py", *session.posargs)


@nox.session
def matrix(session: nox.Session) -> None:
    """Every command, answer, kill, restart, kind of order and set of desks; every failing write."""
    install(session, "tests")
    session.env.update(FILLBOOK_MATRIX="all", FILLBOOK_TEST_SAMPLED="all")
    chosen = session.posargs or ["tests/scenarios/matrix"]
    session.run("pytest", "-n", "2", "--dist", "worksteal", "--timeout=3600", *chosen)


@nox.session
def days(session: nox.Session) -> None:
    """2,000 simulated days with every fault and incident; it prints how often each happened."""
    install(session, "tests")
    chosen = session.posargs or ["--days", "2000", "--wired", "200"]
    session.run("python", "-m", "tests.scenarios.campaign", *chosen)


@nox.session
def exits(session: nox.Session) -> None:
    """1,000 days of protected positions; it prints how long they were without their stops."""
    install(session, "tests")
    session.run("python", "-m", "tests.scenarios.exits", *(session.posargs or ["--days", "1000"]))


@nox.session
def manners(session: nox.Session) -> None:
    """
    Brokers of each manner: 200 days of each, and 20,000 schedules of one that forgets client ids.

    The manners are those of `tests/scenarios/brokers/test_days.py`, and the fees of wallets by
    currency: in base, in quote and in two other currencies, in turn, 300 days of each.
    """
    install(session, "tests")
    session.env.update(FILLBOOK_SEEDS="200", FILLBOOK_DAYS="1200", FILLBOOK_SCHEDULES="20000")
    session.env["FILLBOOK_TEST_SAMPLED"] = "all"
    chosen = session.posargs or [
        "tests/scenarios/brokers",
        "tests/core/orders/unconfirmed/test_toy_schedules.py",
    ]
    session.run("pytest", "-n", "2", "--dist", "worksteal", "--timeout=3600", *chosen)


@nox.session
def coinbase(session: nox.Session) -> None:
    """A thousand days at Coinbase over the wire, each of another seed; reconnects of 100 orders."""
    install(session, "tests")
    session.env.update(FILLBOOK_SEEDS="1000", FILLBOOK_ORDERS="100")
    chosen = session.posargs or [
        "tests/scenarios/coinbase/test_days.py",
        "tests/brokers/coinbase/test_reconnects.py",
    ]
    session.run("pytest", "-n", "2", "--dist", "worksteal", "--timeout=3600", *chosen)


@nox.session
def bench(session: nox.Session) -> None:
    """
    Every figure of speed beside its peers, each in its own environment: `docs/howto/benchmarks.md`.

    ``-- --quick`` takes less than five minutes.
    """
    session.install("-e", EXTRAS)
    given = list(session.posargs)
    for module, package in PEERS.items():
        folder = Path(session.create_tmp()) / module
        python = folder / "bin" / "python"
        if not python.exists():
            session.run(sys.executable, "-m", "venv", str(folder), external=True)
        # A peer that does not install is named in the page.
        install_it = (str(python), "-m", "pip", "install", "-q", package)
        session.run(*install_it, external=True, success_codes=[0, 1])
        given += ["--peer", f"{module}={python}"]
    session.run("python", "benchmarks/bench.py", *given)


@nox.session
def rebalance(session: nox.Session) -> None:
    """The planner of rebalances against PyPortfolioOpt: time, tracking error, cash that is left."""
    session.install("-e", EXTRAS, "PyPortfolioOpt>=1.5.6", "pandas", "packaging")
    session.run("python", "benchmarks/rebalance.py", *session.posargs)


@nox.session
def fifo(session: nox.Session) -> None:
    """The P&L by FIFO against beancount."""
    session.install("-e", EXTRAS, "beancount>=3")
    session.run("python", "benchmarks/fifo.py", *session.posargs)


@nox.session
def page(session: nox.Session) -> None:
    """The page in Chromium, with axe-core where there is npm; nothing is skipped."""
    install(session, "tests", "browser")
    session.env["FILLBOOK_TEST_BROWSER"] = "required"
    npm = shutil.which("npm")
    if npm is not None:
        folder = session.create_tmp()
        session.run(npm, "install", "--no-save", "--prefix", folder, AXE, external=True)
        session.env["FILLBOOK_TEST_AXE"] = f"{folder}/node_modules/axe-core/axe.min.js"
    session.run("pytest", *(session.posargs or ["tests/web/test_page.py"]))


@nox.session
def service(session: nox.Session) -> None:
    """10,000 requests to the HTTP service: no answer is undocumented."""
    install(session, "tests")
    session.env["FILLBOOK_TEST_REQUESTS"] = "10000"
    chosen = session.posargs or ["tests/web/test_contract.py"]
    session.run("pytest", "--timeout=3600", *chosen)


@nox.session
def service_load(session: nox.Session) -> None:
    """The HTTP service at 200 requests a second, beside a desk that ticks and an empty route."""
    session.install("-e", EXTRAS)
    session.run("python", "benchmarks/service.py", *session.posargs)


@nox.session
def frames(session: nox.Session) -> None:
    """The exports that need other libraries: Parquet, pandas, polars."""
    install(session, "tests", package=".[alpaca,cli,emulator,fast,coinbase,parquet,pandas,polars]")
    session.run("pytest", "-n", "2", "tests/desk/record/test_export.py", *session.posargs)


@nox.session
def mutation(session: nox.Session) -> None:
    """Mutants of the core: of a hundred, its tests and those of the desk have to kill 85."""
    install(session, "tests", "mutation")
    session.run("python", "-m", "tests.mutation", *session.posargs)


@nox.session
def campaign(session: nox.Session) -> None:
    """Many more examples of every property, and new ones each time."""
    install(session, "tests")
    session.env.update(FILLBOOK_TEST_PROFILE="thorough", FILLBOOK_TEST_SAMPLED="all")
    session.env["FILLBOOK_SEEDS"] = "2000"
    session.run("pytest", "-n", "2", "--timeout=3600", *session.posargs)


def lowest_versions() -> list[str]:
    """``name==version`` for every lower bound among what users install."""
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    bounds = [*project["dependencies"], *(bound for extra in extras for bound in extra)]
    return [re.sub(r">=", "==", bound) for bound in bounds]
