"""Read a checkpoint of the authors' public scripts: `python -m train.import_reference FILE OUT`."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
import tyro

from lebm import reference
from lebm.checkpoint import MAX_BYTES, CheckpointError, save
from lebm.reference import Assumed
from lebm.signs import sign_test
from train import data

_N_EXAMPLES = 64


def main(
    file: tyro.conf.Positional[Path],
    out: tyro.conf.Positional[Path],
    pictures: Path | None = None,
    assumed: Assumed = Assumed(),  # noqa: B008, frozen
) -> int:
    """Turn FILE into a model that library and explorer open, and say what was found.

    Args:
        file: a checkpoint of https://github.com/bpucla/latent-space-EBM-prior (ckpt_….pth); it is
            read as data, never unpickled freely.
        out: the `.safetensors` file to write.
        pictures: a folder of pictures of the data it was learned from; with them the sign of f is
            tested.
        assumed: what the file does not say.

    Returns:
        The exit status.
    """
    try:
        if file.stat().st_size > MAX_BYTES:
            raise CheckpointError(f"{file.name} is larger than any model of theirs")
        found = reference.loads(file.read_bytes(), name=file.name, assumed=assumed)
        if pictures is not None:
            found.card.facts["sign of f"] = _test_sign(found, pictures)
        save(out, found.model, found.card)
    except (CheckpointError, data.DatasetUnavailable, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    sign = found.card.facts.get("sign of f", "The sign of f was not tested: give --pictures DIR.")
    print("\n".join([*found.findings, str(sign), f"written: {out}"]))
    return 0


def _test_sign(found: reference.Imported, pictures: Path) -> str:
    """A sentence on the sign of f, by what pictures of the data say."""
    model, sampler = found.model, found.card.reconstruction_sampler
    examples = data.load("image-folder", model.config.data_shape, pictures).train[:_N_EXAMPLES]
    test = sign_test(
        model,
        data.to_model_range(examples),
        sampler,
        generator=torch.Generator().manual_seed(0),
    )
    return (
        f"The sign of f is {test.word} by {len(examples)} pictures: f is {test.f_examples:.2f} at "
        f"their latents and {test.f_base:.2f} over N(0, I), {test.z_score:+.1f} standard errors."
    )


if __name__ == "__main__":
    sys.exit(tyro.cli(main, prog="python -m train.import_reference"))
