"""The tiny model as MLServer serves it; runs in MLServer's own environment, without meshd."""

from __future__ import annotations

import os

import onnxruntime
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse
from typing_extensions import override


class OnnxModel(MLModel):
    """Loads one ONNX file with one thread, as a daemon does, and runs it on what requests hold."""

    @override
    async def load(self) -> bool:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            os.environ["MODEL_FILE"], options, providers=["CPUExecutionProvider"]
        )
        self._names = [output.name for output in self._session.get_outputs()]
        return True

    @override
    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        taken = {tensor.name: NumpyCodec.decode_input(tensor) for tensor in payload.inputs}
        given = self._session.run(self._names, taken)
        outputs = [NumpyCodec.encode_output(name, array) for name, array in zip(self._names, given, strict=True)]
        return InferenceResponse(model_name=self.name, id=payload.id, outputs=outputs)
