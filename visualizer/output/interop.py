"""From CUDA to OpenGL on the graphics card: a frame becomes a texture without visiting the processor.

A pixel buffer of OpenGL's is registered with CUDA once; for each frame CUDA copies into it, and OpenGL fills
the texture from it (CUDA Runtime API, "Graphics Interoperability"). A buffer rather than the texture itself,
because CUDA can't register textures of three channels. Needs the cuda-bindings package
(`pip install 'visualizer[cuda]'`); without it, or where window and network are on different cards, frames
take the way through memory.
"""

from __future__ import annotations

import ctypes
from types import ModuleType

import torch

from visualizer.common.cuda_answers import checked
from visualizer.output.graphics import GL, Texture


class NoInterop(Exception):
    """CUDA and OpenGL can't share a buffer here; the message says why."""


def _runtime() -> ModuleType:
    try:
        from cuda.bindings import runtime
    except ImportError as error:
        raise NoInterop(f"cuda-bindings can't be loaded ({error})") from None
    return runtime


def _check(answer: tuple) -> tuple:
    return checked(answer, NoInterop)


class CardUpload:
    """Fills one texture with frames that are CUDA tensors. Needs the OpenGL context to be current.

    Two buffers take turns: OpenGL may still be reading the one while CUDA fills the other.
    """

    def __init__(self, texture: Texture):
        """Raises NoInterop if it can't be done here."""
        self._runtime = _runtime()
        self._texture = texture
        self._buffers = [int(b) for b in GL.glGenBuffers(2)]
        self._resources: list[object] = []
        self._shape: tuple[int, ...] = ()
        self._next = 0

    def __call__(self, frame: torch.Tensor) -> None:
        """frame: [h, w, channels] uint8 on the card that draws the window. Raises NoInterop."""
        frame = frame.contiguous()
        if tuple(frame.shape) != self._shape:
            self._allocate(tuple(frame.shape))
        runtime, resource = self._runtime, self._resources[self._next]
        stream = torch.cuda.current_stream(frame.device).cuda_stream
        _check(runtime.cudaGraphicsMapResources(1, resource, stream))
        try:
            pointer, size = _check(runtime.cudaGraphicsResourceGetMappedPointer(resource))
            assert size >= frame.numel()
            kind = runtime.cudaMemcpyKind.cudaMemcpyDeviceToDevice
            _check(runtime.cudaMemcpyAsync(pointer, frame.data_ptr(), frame.numel(), kind, stream))
        finally:
            # Unmapping makes OpenGL wait for what CUDA was told before; the processor waits for nothing.
            _check(runtime.cudaGraphicsUnmapResources(1, resource, stream))
        self._texture.fill_from(self._buffers[self._next], frame.shape[1], frame.shape[0])
        self._next ^= 1

    def _allocate(self, shape: tuple[int, ...]) -> None:
        self.release()
        n_bytes = shape[0] * shape[1] * shape[2]
        for buffer in self._buffers:
            GL.glBindBuffer(GL.GL_PIXEL_UNPACK_BUFFER, buffer)
            GL.glBufferData(GL.GL_PIXEL_UNPACK_BUFFER, n_bytes, ctypes.c_void_p(0), GL.GL_STREAM_DRAW)
        GL.glBindBuffer(GL.GL_PIXEL_UNPACK_BUFFER, 0)
        flags = self._runtime.cudaGraphicsRegisterFlags.cudaGraphicsRegisterFlagsWriteDiscard
        for buffer in self._buffers:
            (resource,) = _check(self._runtime.cudaGraphicsGLRegisterBuffer(buffer, flags))
            self._resources.append(resource)
        self._shape = shape

    def release(self) -> None:
        """Give the buffers back to OpenGL alone."""
        for resource in self._resources:
            self._runtime.cudaGraphicsUnregisterResource(resource)
        self._resources.clear()
        self._shape = ()
