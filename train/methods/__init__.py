"""The ways to learn, by the name that `--method` takes; one small file each."""

from __future__ import annotations

from train.config import MethodName
from train.methods.amortised import Amortised
from train.methods.arae import ARAE
from train.methods.base import Method
from train.methods.bigan import BiGAN
from train.methods.fb_vae import FreeBitsVAE
from train.methods.lebm import LEBM
from train.methods.meg import MEG
from train.methods.rae import RAE
from train.methods.sa_vae import SemiAmortisedVAE
from train.methods.sri import SRI, SRI5
from train.methods.tilted_vae import TiltedVAE
from train.methods.two_stage_vae import TwoStageVAE
from train.methods.vae import VAE

METHODS: dict[MethodName, type[Method]] = {
    "lebm": LEBM,
    "amortised": Amortised,
    "tilted-vae": TiltedVAE,
    "vae": VAE,
    "fb-vae": FreeBitsVAE,
    "sa-vae": SemiAmortisedVAE,
    "2svae": TwoStageVAE,
    "rae": RAE,
    "sri": SRI,
    "sri-5": SRI5,
    "meg": MEG,
    "bigan": BiGAN,
    "arae": ARAE,
}

__all__ = ["METHODS", "Method"]
