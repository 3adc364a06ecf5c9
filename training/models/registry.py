"""The methods by name. A new one is one small file and one entry here."""

from __future__ import annotations

from difflib import get_close_matches

from recognizer.errors import AtmeError
from recognizer.network.model import DualAtme
from training.models import dual_atme_parts, rcn
from training.models.dual_inception import DualInception
from training.models.face_components import MOTION_AND_COMPONENTS
from training.models.hand_crafted import bi_woof
from training.models.hand_crafted.classifier import HandCrafted
from training.models.inputs import ENTIRE, PICTURES, PUZZLED
from training.models.kfc_mer import KfcMer
from training.models.method import Method
from training.models.mmnet import MmNet
from training.models.off_apexnet import OffApexNet
from training.models.plain import Network
from training.models.resnet18 import ResNet18
from training.models.ststnet import StstNet

BOTH = (ENTIRE, PUZZLED)
FACES_A_BATCH = 32
"""For images of 128 px: about the papers' batch sizes, in the memory of an ordinary machine."""
_OURS = "Entropy 2023, 25(3), 460"
_RCN = "DOI 10.1109/TIP.2020.3018222"

METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Network("dual-atme", "Dual-ATME", _OURS, DualAtme, BOTH),
        Network("hars-only", "HARS only", _OURS, dual_atme_parts.hars_only, (PUZZLED,)),
        Network("aars-only", "AARS only", _OURS, dual_atme_parts.aars_only, (ENTIRE,)),
        Network("attention-on-both", "attention on both", _OURS, dual_atme_parts.attention_on_both, BOTH),
        HandCrafted("bi-woof", "Bi-WOOF", "DOI 10.1016/j.image.2017.11.006", bi_woof.describe),
        Network("resnet18", "ResNet18", "DOI 10.1109/CVPR.2016.90", ResNet18),
        Network("off-apexnet", "OFF-ApexNet", "DOI 10.1016/j.image.2019.02.005", OffApexNet),
        Network("ststnet", "STSTNet", "DOI 10.1109/FG.2019.8756567", StstNet),
        Network("dual-inception", "Dual-Inception", "FG 2019, pp. 642–646", DualInception),
        Network("rcn-a", "RCN_a", _RCN, rcn.rcn_a),
        Network("rcn-w", "RCN_w", _RCN, rcn.rcn_w),
        Network("rcn-c", "RCN_c", _RCN, rcn.rcn_c),
        Network("rcn-f", "RCN_f", _RCN, rcn.rcn_f),
        Network(
            "kfc-mer",
            "KFC-MER",
            "DOI 10.1109/ICME51207.2021.9428407",
            KfcMer,
            (MOTION_AND_COMPONENTS,),
            FACES_A_BATCH,
        ),
        Network("mmnet", "MMNet", "arXiv:2201.05297", MmNet, (PICTURES,), FACES_A_BATCH),
    )
}


def find(name: str) -> Method:
    """The method; AtmeError that names the nearest one for an unknown name."""
    if name in METHODS:
        return METHODS[name]
    near = get_close_matches(name.casefold().replace("_", "-"), METHODS, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(METHODS)}"
    raise AtmeError("invalid", f"'{name}' is no method; {hint}")
