"""Settings of the whole suite: no start-up chatter, cards in a cache of their own, Keras' counters as they come."""

import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
if "PYTEST_XDIST_WORKER" in os.environ:  # as many processes as there are cores: threads of each would wait for others
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
    os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


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
