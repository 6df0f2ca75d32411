"""Moves every module of the package to its room and rewrites all imports: to be run once, from a clean checkout.

Usage: python scripts/rebuild_house.py [--check]. `--check` moves nothing: it lists the modules that have no place in
the table below, and the imports that would run against the order of the rooms.

What it does, in one go: `git mv` of each file as `TABLE` says; definitions that are used below the file they are in
leave it (`LEAVING`); names are imported from the files that define them, not through the faces of packages; a face is
a docstring (`FACES`), but for the rooms whose names are used as `analysis.strides` or `sg.wiring.unet_decoder`. Then
`ruff check --fix`, `ruff format`, the type checker and the tests say what is left to do by hand, and this file goes.
"""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
ROOT = TOP / "surgery"
# a file imports from the rooms before its own; `graph` is a room of its own since `Graph ==` asks `layers`
ROOMS = (
    "core layers graph analysis selectors formats keras_bridge compare zoo io edits view data training parts recipe cli"
)
TABLE = """
errors core.errors
graph graph.graph
structure core.nested
ops graph.ops
primitives graph.primitives
waiting core.progress
depth core.recursion
specs core.specs
walking graph.traversal
preprocessing graph.preprocessing
isolated core.isolation
kinds layers.classes
configurations layers.configurations
sameness layers.sameness
dtypes layers.dtypes
vocabulary layers.families
analysis.costless layers.costless
shapes layers.shapes
masks graph.masks
layouts layers.kernel_layouts
files.variables layers.variables
files.wrapped layers.wrappers
files.outputs formats.output_counts
analysis analysis
analysis.batches analysis.batch_folding
analysis.reach analysis.kernel_extents
analysis.lifetimes analysis.lifetimes
analysis.counting analysis.mac_rules
analysis.macs analysis.macs
analysis.memory analysis.memory
analysis.rulers analysis.positions
analysis.landmarks analysis.landmarks
analysis.fields analysis.fields
analysis.grids analysis.spatial_axes
analysis.sizes analysis.sizes
analysis.strides analysis.strides
analysis.totals analysis.totals
grammar selectors.grammar
where selectors.select
selectors selectors.terms
files formats
files.whole formats.atomic
files.windows formats.byte_ranges
files.locks formats.locks
caches formats.caches
budget formats.budget
hdf5 formats.hdf5
hdf5.heaps formats.hdf5.heaps
hdf5.index formats.hdf5.index
hdf5.walking formats.hdf5.library
hdf5.process formats.hdf5.subprocess
files.hdf5 formats.hdf5_file
files.values formats.json_values
files.arrays formats.legacy.arrays
files.connections formats.legacy.connections
files.keras1 formats.legacy.keras1
files.keras2 formats.legacy.keras2
files.mending formats.legacy.rules
files.architecture formats.model_config
files.entries formats.layer_entries
files.registered formats.registered
files.described formats.model_shapes
files.opening formats.open_file
files.safetensors formats.safetensors
files.tensors formats.stored_tensors
files.prefixes formats.path_index
files.placing formats.weight_layout
files.pieces formats.weights_file
files.zipped formats.zip
files.members formats.zip_members
files.images formats.image_member
files.ordinary formats.stock_classes
activations keras_bridge.activations
registering keras_bridge.registration
trusting keras_bridge.allowlist
pairing keras_bridge.assign
building keras_bridge.build
copying keras_bridge.copy
standins keras_bridge.standins
filling keras_bridge.fill
giving keras_bridge.give
effective keras_bridge.effective_values
lookups keras_bridge.lookups
nodes keras_bridge.nodes
slots keras_bridge.optimizer_slots
files.saving keras_bridge.save
tracing keras_bridge.trace
retracing keras_bridge.train_functions
normalization keras_bridge.trainable_flags
unsaved keras_bridge.unsaved_state
comparing compare
comparing.alignment compare.alignment
comparing.changes compare.changes
comparing.diffing compare.diff
comparing.difference compare.report
comparing.ties compare.shared_layers
comparing.contents compare.values
comparing.vocabularies compare.vocabularies
kept compare.donor_regions
flattened compare.flattened
layer_pairs compare.layer_pairs
call_pairs compare.call_pairs
rewired compare.rewired
causes compare.causes
lockstep compare.lockstep
random_inputs compare.random_inputs
matching compare.matching
values.labels compare.tensor_names
values.tensors compare.tensors
values.equality compare.equal_values
verification compare.verification
verifying compare.verify
described graph.file_errors
zoo zoo
zoo.alexnet zoo.alexnet
zoo.cards zoo.cards
zoo.catalogue zoo.catalogue
encoding zoo.graph_json
zoo.cardmaker zoo.make_card
zoo.networks zoo.networks
zoo.fitting zoo.recognition
zoo.settings zoo.keras_settings
zoo.squeezenet zoo.squeezenet
zoo.tinyvgg zoo.tinyvgg
doors io
edits edits
edits.adapting edits.adapters
edits.dilating edits.dilate
freezing edits.freeze
edits.convolving edits.fully_convolutional
edits.grafting edits.graft
edits.nesting edits.inline
edits.inserting edits.insert_remove
edits.joining edits.join_share
loading edits.load_weights
edits.parts edits.parts
edits.selecting edits.queries
pyramids edits.feature_levels
refitting edits.refit
edits.replacing edits.replace_unfuse
edits.resizing edits.resize
edits.rewiring edits.rewire
edits.ends edits.tap_cut_split
edits.preparing edits.preprocess
showing view
tasks.drawing view.charts
showing.fitting view.column_widths
showing.columns view.columns
tasks.feature_maps view.feature_maps
figures view.figures
plotting.dot view.graphviz
showing.histograms view.histograms
plotting.mermaid view.mermaid
plotting.notebook view.notebook
plotting.page view.page
plotting.palette view.palette
plotting.drawing view.plot
plotting.origins view.provenance
showing.sheet view.rows
plotting.scene view.scene
showing.show view.show
plotting.stages view.stages
values.summaries view.statistics
showing.table view.table
showing.totals view.totals
showing.weights view.weights
plotting.coordinates view.layout.coordinates
plotting.layers view.layout.ranks
plotting.layout view.layout.layout
plotting.letters view.layout.text_width
plotting.levels view.layout.levels
plotting.printed view.matplotlib
plotting.sheets view.sheets
plotting.svg view.svg
samples data
samples.digits data.digits
training.pictures data.images
samples.photographs data.photographs
training.preprocessing data.preprocessing
samples.scenes data.scenes
training training
tasks.baselines training.baselines
training.feeding training.batches
training.cached_fit training.cached_fit
training.contracts training.contract
training.steadiness training.determinism
tasks.bars training.epoch_bar
training.extracting training.extract
training.feature_files training.feature_files
training.storing training.feature_store
training.features training.features
training.prefix training.frozen_prefix
training.objectives training.gan_losses
training.groups training.groups
training.rates training.learning_rates
tasks.measures training.metrics
wiring.boxes training.boxes
training.player training.player
training.players training.players
training.casting training.precision
training.states training.restore
training.unfreezing training.unfreezing
wiring parts
wiring.sizes parts.alignment
wiring.blocks parts.blocks
wiring.checks parts.checks
wiring.deeplab parts.deeplab
wiring.detection parts.detection
wiring.discriminators parts.discriminators
wiring.encoders parts.encoders
wiring.fcn parts.fcn
wiring.fpn parts.fpn
wiring.adversaries parts.gan_players
wiring.generators parts.generators
wiring.inception parts.inception
wiring.linknet parts.linknet
wiring.pyramid_pooling parts.pyramid_pooling
wiring.residual parts.residual
wiring.style parts.style_losses
wiring.unet parts.unet
cookbook recipe.files
parameters recipe.parameters
typed recipe.settings
type_names recipe.type_names
reprs core.reprs
edits.following edits.reshaped
files.alone formats.architecture_alone
files.texts formats.json_text
files.expected formats.expected_variables
cli.interrupts cli.interrupts
zoo.shipped zoo.shipped
lazy core.lazy
calls graph.calls
loaded edits.loaded
analysis.figures analysis.figures
files.compiled formats.compiled
files.others formats.other_files
training.pillow data.pillow
training.extracted training.extracted
edits.keeping edits.keep
tasks recipe.tasks
tasks.classifying recipe.tasks.classifying
tasks.explaining recipe.tasks.gradcam
tasks.judging recipe.tasks.judging
tasks.segmenting recipe.tasks.segmenting
cli cli
cli.pipes cli.broken_pipe
cli.convert cli.convert
cli.cut cli.cut
cli.diff cli.diff
cli.freeze cli.freeze
cli.graft cli.graft
cli.inspect cli.inspect
cli.main cli.main
cli.output cli.output
cli.delivered cli.recipe_outputs
cli.recipes cli.recipes
cli.account cli.report
cli.quiet cli.silence
cli.sources cli.sources
cli.tap cli.tap
cli.verify cli.verify
cli.weights cli.weights
cli.written cli.write
cli.zoo cli.zoo
values compare
plotting view
"""
NEW = dict(line.split() for line in TABLE.strip().splitlines())
# new file -> its docstring, and the definitions that it takes from old files
LEAVING: dict[str, tuple[str, dict[str, str]]] = {
    "core.names": (
        "Names as Keras writes them: in snake case, numbered, below the name of a layer.",
        {"files.placing": "natural snake_case", "files.variables": "own_name"},
    ),
    "core.tensors": (
        "One tensor in a file, and the tensors of one layer: what they are, and their values when they are asked for.",
        {
            "files.tensors": "ALIGNMENT _BYTES Tensor width numpy_type sound_size aligned to_hand_over",
            "files.placing": "Source",
        },
    ),
    "layers.description": (
        "A layer as a file describes it: what rules read and change.",
        {"files.mending": "Stored RECURRENT is_layer"},
    ),
    "edits.compatibility": (
        "Whether a tensor fits where another is expected, and what would make it fit.",
        {"edits.adapting": "fits Steps recipe_for _last channels_come_first advice"},
    ),
    "graph.free_names": ("Names that nothing in a graph has yet.", {"edits.nesting": "_free next_call"}),
    "keras_bridge.either": (
        "Graph or live model: what takes one takes the other, and `build` makes the second of the first.",
        {"doors": "build as_graph _of_model P Net edit"},
    ),
}
FACES = {
    "core": """Values without a network: errors, nested structures, addresses and specs of tensors, names.

Nothing here knows a layer, a graph, a file or Keras. It imports nothing of the package but itself.""",
    "layers": """What a Keras layer is, from its class and configuration alone, and whether two layers are the same.

Graphs and files are above it; Keras is never imported. It imports core.""",
    "graph": """A network as a value: `Graph`, `Call`, what a call applies, the primitives of every edit, and walks.

Nothing is read, built or drawn here. It imports core and layers.""",
    "selectors": """The selector language: a text or a Python value becomes calls and tensors of a graph.

What is done with them is for the verbs. It imports core, layers, graph and analysis.""",
    "formats": """Model and weights files without Keras: `.keras`, HDF5, safetensors, and how output is written whole.

Files are strangers': nothing is run, and what reading costs is bounded by `budget`. Writing a live model is for
`keras_bridge`. It imports core, layers, graph and analysis.""",
    "formats.legacy": """What Keras 1 and 2 wrote, as Keras 3 has it: rules for configurations, wiring and arrays.

A rule refuses what it cannot keep. It imports core and layers.""",
    "keras_bridge": """Live Keras: models are traced into graphs and built from them; layers are copied and filled.

The verbs are above it: here is what they stand on. It imports core, layers, graph, selectors and formats.""",
    "compare": """Which layer is which: `diff` of two networks, `verify` of a network and its donor, values of weights.

What is drawn or printed of it is for `view`. It imports core, layers, graph, formats and keras_bridge.""",
    "edits": """The public verbs: cut, tap, graft, insert, replace, join, freeze, load weights, and their kin.

Each takes a `Graph` or a `keras.Model` and returns a new one of the same kind. It imports everything up to io.""",
    "view": """What a person sees: tables, statistics, drawings, the page, notebooks.

Nothing is computed by a network here. It imports everything up to edits.""",
    "view.layout": """Where the boxes and lines of a drawing lie: rows, order, coordinates, frames of nested models.

It knows nothing of SVG or Matplotlib. It imports core and the scene.""",
    "training": """Training what was operated on: cached features, staged unfreezing, learning rates, players, losses.

The short trainings of recipes are in `recipe`. It imports everything up to data.""",
    "recipe": """Recipe files: how they are found and loaded, their parameters and settings, what their fits share.

The shipped recipes lie in `recipes/`, on the public API alone. It imports everything but cli.""",
    "cli": """The command line: one file for each command, over the public API.

Nothing is imported that a command does not need.""",
}
ENDING = ("comparing", "files", "plotting", "showing", "values")  # faces through which nothing is taken any more
MODULES = {
    "objectives": "surgery.training.gan_losses",
    "samples": "surgery.data",
    "tasks": "surgery.recipe.tasks",
    "wiring": "surgery.parts",
}


_OLD = sorted(NEW, key=len, reverse=True)
DOTTED = re.compile(rf"(?<![\w.>/-])surgery\.({'|'.join(map(re.escape, _OLD))})(?![\w(])")
SLASHED = re.compile(rf"(?<![\w.])surgery/({'|'.join(re.escape(old.replace('.', '/')) for old in _OLD)})\.py\b")


def name_of(path: Path) -> str:
    """Returns the old name of a module below the package; `""` for the package itself."""
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


class House:
    """The package as it is: its modules, what each defines, and where an imported name is defined."""

    def __init__(self):
        self.paths = {name_of(path): path for path in sorted(ROOT.rglob("*.py"))}
        self.texts = {name: path.read_text(encoding="utf-8") for name, path in self.paths.items()}
        self._trees = {name: ast.parse(text) for name, text in self.texts.items()}
        self.defined = {name: set(definitions(tree)) for name, tree in self._trees.items()}
        self._bound = {name: self._imported(name) for name in self.paths}
        self._left = {(old, one): new for new, (_, of) in LEAVING.items() for old in of for one in of[old].split()}

    def _imported(self, name: str) -> dict[str, tuple[str, str]]:
        tree = self._trees[name]
        nodes = ast.walk(tree) if self.is_face(name) else tree.body
        found = {}
        for node in nodes:
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "surgery":
                home = (node.module or "").removeprefix("surgery").lstrip(".")
                found.update({alias.asname or alias.name: (home, alias.name) for alias in node.names})
        return found

    def is_face(self, name: str) -> bool:
        return self.paths[name].name == "__init__.py"

    def home(self, module: str, name: str) -> tuple[str, bool] | None:
        """Returns the new module that an old one and a name mean, and whether it is the module itself that is meant."""
        below, bound = f"{module}.{name}".lstrip("."), self._bound[module].get(name)
        if name in self.defined[module]:
            return (self._left.get((module, name)) or NEW[module], False) if module else None
        if below in self.paths and bound in (None, (module, name)):
            return NEW[below], True
        if bound is not None:
            return self.home(*bound)
        if module == "":
            return None
        raise SystemExit(f"{module} has no {name}")

    def uses(self, name: str) -> Iterator[tuple[str, str]]:
        """Yields (new module that is imported from, name) of a module."""
        for node in ast.walk(self._trees[name]):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "surgery":
                for alias in node.names:
                    found = self.home((node.module or "").removeprefix("surgery").lstrip("."), alias.name)
                    if found is not None:
                        yield found[0], alias.name


def definitions(tree: ast.Module) -> Iterator[str]:
    """Yields the names that a module defines at its top."""
    for node in tree.body:
        yield from names_of(node)


def names_of(node: ast.stmt) -> list[str]:
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [one.id for target in targets for one in ast.walk(target) if isinstance(one, ast.Name)]


def undotted(house: House, text: str) -> str:
    """Returns a module with what it takes through a face that ends, `files.exists`, imported by name."""
    found = [one for one in ast.walk(ast.parse(text)) if isinstance(one, ast.ImportFrom) and one.module == "surgery"]
    nodes = [one for one in found if any(alias.name in ENDING and not alias.asname for alias in one.names)]
    taken: dict[str, set[str]] = {}
    lines = text.splitlines(keepends=True)
    for node in sorted(nodes, key=lambda one: -one.lineno):
        kept = [ast.unparse(alias) for alias in node.names if alias.name not in ENDING]
        new = [f"from surgery import {', '.join(kept)}"] if kept else []
        for face in (alias.name for alias in node.names if alias.name in ENDING):
            names = set(re.findall(rf"(?<![\w.]){face}\.(\w+)", text))
            taken[face] = {one for one in names if house.home(face, one)}
            new += [f"from surgery.{face} import {', '.join(sorted(taken[face]))}"] if taken[face] else []
        lines[node.lineno - 1 : node.end_lineno] = [f"{' ' * node.col_offset}{line}\n" for line in new]
    text = "".join(lines)
    for face, names in taken.items():
        text = re.sub(rf"(?<![\w.]){face}\.(?=({'|'.join(sorted(names))})\b)", "", text) if names else text
    return text


def imports_rewritten(house: House, text: str) -> str:
    """Returns a module with every import of the package from where the name will be defined."""
    text = undotted(house, text)
    lines = text.splitlines(keepends=True)
    changes = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "surgery":
            old = (node.module or "").removeprefix("surgery").lstrip(".")
            if not old.startswith("recipes"):
                rest = lines[(node.end_lineno or 0) - 1][node.end_col_offset or 0 :].strip()
                changes.append((node.lineno - 1, node.end_lineno, _imports(house, old, node, rest)))
        elif isinstance(node, ast.Import):
            for alias in node.names:
                name = alias.name.removeprefix("surgery.")
                if alias.name.startswith("surgery.") and name in NEW:
                    line = lines[node.lineno - 1].replace(alias.name, f"surgery.{NEW[name]}")
                    changes.append((node.lineno - 1, node.end_lineno, line))
    for start, end, new in sorted(changes, reverse=True):
        lines[start:end] = [new]
    return "".join(lines)


def _imports(house: House, old: str, node: ast.ImportFrom, comment: str) -> str:
    groups: dict[str, list[str]] = {}
    for alias in node.names:
        found = house.home(old, alias.name)
        asked = alias.asname or alias.name
        if found is None:
            home, name = "surgery", alias.name
        elif found[1]:
            room, _, name = found[0].rpartition(".")
            home = f"surgery.{room}".rstrip(".")
        else:
            home, name = f"surgery.{found[0]}", alias.name
        groups.setdefault(home, []).append(name if name == asked else f"{name} as {asked}")
    indent, tail = " " * node.col_offset, f"  {comment}" if comment else ""
    return "".join(f"{indent}from {home} import {', '.join(names)}{tail}\n" for home, names in sorted(groups.items()))


def prose_rewritten(text: str) -> str:
    """Returns a text with the old names of modules in strings and prose as the new ones, dotted or as paths."""
    lines, inside = [], False
    for line in text.splitlines(keepends=True):
        starts = bool(re.match(r"\s*(from|import) surgery\b", line))
        lines.append(line if starts or inside else _line_rewritten(line))
        inside = ("(" in line and ")" not in line) if starts else inside and ")" not in line
    return "".join(lines)


def _line_rewritten(line: str) -> str:
    line = DOTTED.sub(lambda match: f"surgery.{NEW[match[1]]}", line) if "surgery." in line else line
    return SLASHED.sub(lambda match: f"surgery/{NEW[match[1].replace('/', '.')].replace('.', '/')}.py", line)


def taken_out(text: str, names: list[str]) -> tuple[str, str]:
    """Returns the definitions of some names, and the text without them."""
    lines = text.splitlines(keepends=True)
    spans = []
    for node in ast.parse(text).body:
        if set(names_of(node)) & set(names):
            start = min([node.lineno, *(one.lineno for one in getattr(node, "decorator_list", []))]) - 1
            spans.append((start, node.end_lineno))
    taken = "".join("\n\n" + "".join(lines[start:end]) for start, end in spans)
    for start, end in reversed(spans):
        del lines[start:end]
    return taken, "".join(lines)


def leave(house: House) -> dict[str, str]:
    """Takes definitions out of their files; returns the texts of the new files, with imports by the old names."""
    made = {}
    for new, (doc, sources) in LEAVING.items():
        heads, body = [], ""
        for old, listed in sources.items():
            names = listed.split()
            taken, rest = taken_out(house.texts[old], names)
            nodes = [node for node in ast.parse(rest).body if isinstance(node, (ast.Import, ast.ImportFrom))]
            heads += [line for node in nodes for line in _one_a_line(node)]
            needs = house.defined[old] - set(names)
            heads += [f"from surgery.{old} import {one}" for one in sorted(needs) if re.search(rf"\b{one}\b", taken)]
            back = [one for one in names if re.search(rf"\b{re.escape(one)}\b", rest)]
            if back:
                future = "from __future__ import annotations\n"
                rest = rest.replace(future, f"{future}\nfrom surgery.{old} import {', '.join(back)}\n", 1)
            house.texts[old], body = rest, body + taken
        own = {f"from surgery.{old} import {one}" for old, listed in sources.items() for one in listed.split()}
        heads = [line for line in dict.fromkeys(heads) if line not in own]
        made[new] = f'"""{doc}"""\n\nfrom __future__ import annotations\n\n' + "\n".join(heads) + "\n" + body
    return made


def _one_a_line(node: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(node, ast.Import) or node.module == "__future__":
        return [] if isinstance(node, ast.ImportFrom) else [ast.unparse(node)]
    return [ast.unparse(ast.ImportFrom(node.module, [alias], 0)) for alias in node.names]


def path_of(house: House, name: str) -> Path:
    """Returns where a module goes."""
    if name in ("", "__main__"):
        return house.paths[name]
    place = ROOT.joinpath(*NEW[name].split("."))
    return place / "__init__.py" if house.is_face(name) else place.with_suffix(".py")


def git(*arguments: object) -> None:
    subprocess.run(["git", *map(str, arguments)], cwd=TOP, check=True, stdout=subprocess.DEVNULL)


def move(house: House, texts: dict[str, str]) -> None:
    """Moves the files, in two steps since one may go where another still is, and writes their texts."""
    going = [name for name in house.paths if name not in ("values", "plotting")]  # whose faces end
    for name in ("values", "plotting"):
        git("rm", "-qf", house.paths[name])
    for name in going:
        place = path_of(house, name)
        place.parent.mkdir(parents=True, exist_ok=True)
        if place != house.paths[name]:
            git("mv", house.paths[name], place.with_name(f"{place.name}.moving"))
    for name in going:
        place = path_of(house, name)
        if place != house.paths[name]:
            git("mv", place.with_name(f"{place.name}.moving"), place)
        place.write_text(texts[name], encoding="utf-8")
    git("mv", "surgery/plotting/page", "surgery/view/page")
    for folder in sorted(ROOT.rglob("*/"), reverse=True):
        if folder.is_dir() and not any(path.is_file() for path in folder.rglob("*") if path.suffix != ".pyc"):
            shutil.rmtree(folder)


def furnish() -> None:
    """Writes the faces, the homes of public names, and the list of packages."""
    for room, text in FACES.items():
        face = ROOT.joinpath(*room.split("."), "__init__.py")
        face.write_text(f'"""{text}\n"""\n', encoding="utf-8")
    init = ROOT / "__init__.py"
    text = init.read_text(encoding="utf-8")
    homes: dict[str, list[str]] = {}
    for node in ast.walk(ast.parse(text[text.index("if TYPE_CHECKING:") : text.index("_HOMES = {")])):
        if isinstance(node, ast.ImportFrom):
            names = [alias.asname or alias.name for alias in node.names]
            homes.setdefault(node.module or "", []).extend(one for one in names if one not in MODULES)
    rows = "".join(f"    {home!r}: {tuple(sorted(names))!r},\n" for home, names in sorted(homes.items()) if names)
    start, end = text.index("_HOMES = {"), text.index("_HOME_OF =")
    text = text[:start] + "_HOMES = {\n" + rows + "}\n" + text[end:]
    rows = "".join(f"    {name!r}: {home!r},\n" for name, home in MODULES.items())
    text = re.sub(r"_ROOMS = \(.*\).*\n", f"_ROOMS = {{  # modules whose own names are used\n{rows}}}\n", text)
    text = text.replace('importlib.import_module(f"surgery.{name}")', "importlib.import_module(_ROOMS[name])")
    init.write_text(text, encoding="utf-8")
    packages = [".".join(path.parent.relative_to(TOP).parts) for path in ROOT.rglob("__init__.py")]
    config = TOP / "setup.cfg"
    text = config.read_text(encoding="utf-8")
    listed = re.search(r"packages =\n((?: +surgery.*\n)+)", text)
    assert listed is not None
    recipes = [line.strip() for line in listed[1].splitlines() if line.strip().startswith("surgery.recipes")]
    text = text.replace(listed[1], "".join(f"    {one}\n" for one in sorted([*packages, *recipes])))
    text = text.replace("surgery.plotting = page/*", "surgery.view = page/*")
    config.write_text(text.replace("surgery.cli:main", "surgery.cli.main:main"), encoding="utf-8")


def check(house: House) -> int:
    """Says which modules have no place, and which imports would run against the order."""
    missing = [name for name in house.paths if name not in (*NEW, "", "__main__")]
    print("\n".join(f"{name}: no place in the table" for name in missing))
    rooms, against = ROOMS.split(), 0
    for name in house.paths if not missing else ():
        if name in ("", "__main__") or house.is_face(name):
            continue
        for home, one in house.uses(name):
            here, there = (rooms.index(place.split(".")[0]) for place in (NEW[name], home))
            if there > here:
                against += 1
                print(f"{NEW[name]} imports {one} of {home}")
    return len(missing) + against


def main() -> int:
    house = House()
    if "--check" in sys.argv or any(name not in (*NEW, "", "__main__") for name in house.paths):
        return min(check(house), 1)
    made = leave(house)
    texts = {name: prose_rewritten(imports_rewritten(house, text)) for name, text in house.texts.items()}
    made = {new: prose_rewritten(imports_rewritten(house, text)) for new, text in made.items()}
    move(house, texts)
    for new, text in made.items():
        ROOT.joinpath(*new.split(".")).with_suffix(".py").write_text(text, encoding="utf-8")
    furnish()
    for pattern in ("tests/**/*.py", "scripts/*", "recipes/**/*.py", "docs/**/*.md", "README.md", "CHANGELOG.md"):
        for path in TOP.glob(pattern):
            if path.is_file() and path != Path(__file__).resolve() and path.suffix in ("", ".py", ".md"):
                text = path.read_text(encoding="utf-8")
                new = prose_rewritten(imports_rewritten(house, text) if path.suffix == ".py" else text)
                if new != text:
                    path.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
