"""Published classification figures that a report prints beside its own. Each was measured on other images."""

from __future__ import annotations

from typing import NamedTuple


class Published(NamedTuple):
    """A figure, or a pair, as the source states it."""

    system: str
    data: str
    """What it was measured on."""
    metric: str
    figures: tuple[float, ...]
    ours: tuple[str, ...]
    """Keys of our nearest figures, one for each; `f1_<code>` is a class's F1; empty where we have none."""
    source: str


_ISIC_2018 = "ISIC 2018 Task 3"
_CHALLENGE = "challenge; yuanqing811/isic2018"
_BALANCED = ("balanced_accuracy_grouped",)
_ACCURACY = ("binary_accuracy",)
_MACRO_AUC = ("macro_auc_grouped",)
_BOTH = "sensitivity / specificity"
_DOCTORS = ("malignant_sensitivity_by_image", "specificity_by_image")
_REFERENCE = "its own report"

PUBLISHED = (
    Published("best ensemble", _ISIC_2018, "balanced accuracy", (0.885,), _BALANCED, _CHALLENGE),
    Published("best single model", _ISIC_2018, "balanced accuracy", (0.871,), _BALANCED, _CHALLENGE),
    Published("fourth place", _ISIC_2018, "balanced accuracy", (0.856,), _BALANCED, _CHALLENGE),
    Published("baseline", _ISIC_2018, "balanced accuracy", (0.685,), _BALANCED, _CHALLENGE),
    Published(
        "challenge entry", "ISIC 2019", "balanced accuracy, 9 classes", (0.636,), ("balanced_accuracy_leaves",),
        "arXiv 1910.03910",
    ),
    Published("challenge entry", "ISIC 2020", "AUC, melanoma or not", (0.949,), ("melanoma_auc",), "arXiv 2010.05351"),
    Published("ResNet-18", "DermaMNIST 224", "accuracy", (0.754,), ("accuracy_grouped",), "MedMNIST v2"),
    Published("ResNet-18", "DermaMNIST 224", "AUC, 7 classes", (0.920,), _MACRO_AUC, "MedMNIST v2"),
    Published("DenseNet-121", "DermaMNIST 224", "accuracy", (0.847,), ("accuracy_grouped",), "MedMNIST+"),
    Published("DenseNet-121", "DermaMNIST 224", "AUC, 7 classes", (0.963,), _MACRO_AUC, "MedMNIST+"),
    Published("ResNet-34 demo", "HAM10000", "F1 of NV", (0.95,), ("f1_NV",), _REFERENCE),
    Published("ResNet-34 demo", "HAM10000", "F1 of DF", (0.65,), ("f1_DF",), _REFERENCE),
    Published("ResNet-34 demo", "HAM10000", "F1 of AKIEC", (0.67,), ("f1_AKIEC",), _REFERENCE),
    Published("ResNet-34 demo", "HAM10000", "F1 of MEL", (0.68,), ("f1_MEL",), _REFERENCE),
    Published(
        "ResNet-34 demo", "HAM10000, 28 cancers", "called nevus at ≥ 0.95, malignant images", (17 / 28,),
        ("cancers_called_nevus",), _REFERENCE,
    ),
    Published(
        "ResNet-34 demo", "HAM10000, capped", "F1, 7 classes, balanced", (0.52,), ("balanced_macro_f1_grouped",),
        _REFERENCE,
    ),
    Published("ResNet-34 demo", "HAM10000, capped", "top-3 accuracy", (1.0,), ("top3_accuracy",), _REFERENCE),
    Published(
        "ResNet-34 demo", "HAM10000, balanced", "F1, binary: mean", (0.92,), ("balanced_binary_f1",), _REFERENCE
    ),
    Published(
        "ResNet-34 demo", "HAM10000, balanced", "F1, binary: malignant / benign", (0.91, 0.93),
        ("balanced_f1_malignant", "balanced_f1_benign"), _REFERENCE,
    ),
    Published("MobileNetV2", "11,000 ISIC images", "accuracy, binary", (0.889,), _ACCURACY, _REFERENCE),
    Published("InceptionV3", "11,000 ISIC images", "accuracy, binary", (0.906,), _ACCURACY, _REFERENCE),
    Published(
        "ResNet-50", "six malignant tumours", "F1, malignant classes", (0.908,), ("malignant_leaves_f1",),
        _REFERENCE,
    ),
    Published("ResNet-50", "30 patients", "accuracy, 6 classes", (0.916,), (), _REFERENCE),
    Published("CE-marked CNN", "its study", "AUC", (0.918,), ("malignant_auc",), "Haenssle 2020"),
    Published("CE-marked CNN", "its study", _BOTH, (0.950, 0.767), _DOCTORS, "Haenssle 2020"),
    Published("dermatologists", "the same study", _BOTH, (0.890, 0.807), _DOCTORS, "Haenssle 2020"),
    Published("dermatologists", "their study", _BOTH, (0.875, 0.814), _DOCTORS, "PMC6936633"),
    Published("general practitioners", "their study", _BOTH, (0.799, 0.709), _DOCTORS, "PMC6936633"),
    Published("DermaSensor", "its study", _BOTH, (0.955, 0.207), _DOCTORS, "FDA DEN230008"),
    Published(
        "HAM10000-trained network", "DDI, skin I-II / V-VI", "AUC, malignant or benign", (0.72, 0.57), (),
        "Daneshjou 2022",
    ),
)  # fmt: skip
