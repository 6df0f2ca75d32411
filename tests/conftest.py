"""Settings of the whole suite: no start-up chatter, cards in a cache of their own, Keras' counters as they come."""

import os
import shutil
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
if "PYTEST_XDIST_WORKER" in os.environ:  # as many processes as there are cores: threads of each would wait for others
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
    os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PROGRAMS = {"needs_graphviz": ("dot",), "needs_browser": BROWSERS}
SHARED = Path(__file__).resolve().parents[2] / "shared"


def pytest_collection_modifyitems(items):
    """Skips what needs a program that this machine does not have."""
    for mark, programs in PROGRAMS.items():
        if not any(map(shutil.which, programs)):
            absent = pytest.mark.skip(reason=f"there is no program {' or '.join(programs)} on this machine")
            for item in items:
                if item.get_closest_marker(mark) is not None:
                    item.add_marker(absent)


@pytest.fixture(scope="session", autouse=True)
def cards_of_this_run(tmp_path_factory):
    """Keeps the cards of the tests out of the user's cache; workers that run side by side share theirs."""
    before = os.environ.get("SURGERY_CACHE")
    own = tmp_path_factory.getbasetemp()
    cache = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "cards"
    cache.mkdir(exist_ok=True)
    os.environ["SURGERY_CACHE"] = str(cache)
    yield
    if before is None:
        del os.environ["SURGERY_CACHE"]
    else:
        os.environ["SURGERY_CACHE"] = before


@pytest.fixture(scope="session")
def tinyvgg():
    """The pretrained tinyvgg, live. Tests must leave it as it is."""
    import surgery as sg

    return sg.build(sg.open("tinyvgg", weights="pretrained"))


@pytest.fixture(scope="session")
def shared_zoo():
    """Old model files that are not part of the project."""
    if not (SHARED / "zoo").is_dir():
        pytest.skip("the folder of old model files is not beside this checkout")
    return SHARED / "zoo"
