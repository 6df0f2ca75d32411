"""A small student learns from a pretrained teacher. Hinton et al. 2015, arXiv:1503.02531, section 2.

After Romero et al. 2015, FitNets, arXiv:1412.6550, the student also imitates an inner tap of the teacher; the training
is Keras' own `Distiller`. `fit` gives the teacher a head for the digits 5-9, and the student few labels: alone it
learns from these; distilled it learns from what the teacher says of images without labels.
"""

import keras
import numpy as np

import surgery as sg


def recipe(backbone: str = "tinyvgg", weights: str | None = "pretrained", stride: int = 8, classes: int = 5):
    graph, levels = sg.parts.encoder(backbone, weights, stride, freeze=True, channels=3)
    tap = levels[max(levels)]
    size, channels = graph[str(graph.inputs)].specs[0].shape[1], graph[tap].specs[0].shape[-1]
    teacher = sg.graft(graph, [keras.layers.Flatten(name="flat"), keras.layers.Dense(classes, name="digits")])
    x = picture = keras.Input((size, size, 3), name="picture")
    for number in range(1, max(levels).bit_length()):
        x = keras.layers.Conv2D(8 * number, 3, 2, "same", activation="relu", name=f"small{number}")(x)
    x = keras.layers.Conv2D(channels, 1, activation="relu", name="hint")(x)
    scores = keras.layers.Dense(classes, name="student_digits")(keras.layers.Flatten()(x))
    return {"teacher": teacher, "student": keras.Model(picture, scores, name="student")}


def fit(models: dict, shots: int = 5, pool: int = 500, epochs: int = 40, seed: int = 0):
    """Trains, and measures beside the baseline.

    Args:
        pool: images without a label, which the teacher alone has seen with one.
    """
    teacher, student = models["teacher"], models["student"]
    images_bhwc, labels = sg.samples.digits(range(5, 10), size=student.input_shape[1])
    labels = labels - 5
    sg.tasks.check_classes(student, 5)
    order = np.random.default_rng(seed).permutation(len(labels))
    unlabelled, rest = order[:pool], order[pool:]
    few = unlabelled[sg.samples.few_shot_subset(labels[unlabelled], shots, seed)]
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    keras.utils.set_random_seed(seed)
    teacher.compile(keras.optimizers.Adam(2e-3), loss)
    sg.fit_cached(
        teacher, images_bhwc[unlabelled], labels[unlabelled], epochs=epochs, callbacks=[sg.tasks.EpochBar()], verbose=0
    )
    alone = sg.tasks.reinitialized(student, seed)
    alone.compile(keras.optimizers.Adam(2e-3), loss)
    alone.fit(
        images_bhwc[few], labels[few], batch_size=25, epochs=epochs * 4, callbacks=[sg.tasks.EpochBar()], verbose=0
    )

    said = teacher.predict(images_bhwc[unlabelled], batch_size=256, verbose=0).argmax(axis=-1)
    distiller = keras.distillation.Distiller(
        teacher,
        student,
        [
            keras.distillation.LogitsDistillation(temperature=3.0),
            keras.distillation.FeatureDistillation(
                teacher_layer_name=str(sg.open(teacher)["flat"].parents[0]), student_layer_name="hint"
            ),
        ],
        distillation_loss_weights=[1.0, 0.5],
    )
    distiller.compile(keras.optimizers.Adam(2e-3), loss)
    distiller.fit(
        images_bhwc[unlabelled], said, batch_size=32, epochs=epochs, callbacks=[sg.tasks.EpochBar()], verbose=0
    )
    return {
        "student, distilled": sg.tasks.accuracy(student, images_bhwc[rest], labels[rest]),
        "student alone": sg.tasks.accuracy(alone, images_bhwc[rest], labels[rest]),
        "teacher": sg.tasks.accuracy(teacher, images_bhwc[rest], labels[rest]),
        "parameters": f"{student.count_params():,} against the teacher's {teacher.count_params():,}",
    }
