"""The few OpenGL things that the window's pictures are made of: programs, textures, canvases.

All of it needs a current OpenGL 3.3 core context; see `window`.
"""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np
import OpenGL

# A check after every call costs more than the call; what can fail is checked where it is made.
OpenGL.ERROR_CHECKING = False
OpenGL.ERROR_LOGGING = False

from OpenGL import GL  # noqa: E402 (the switches above count only before this)

SHADERS = Path(__file__).parent / "shaders"


class Program:
    """A shader program from files in shaders/; its vertices are made from gl_VertexID alone."""

    def __init__(self, vertex: str, fragment: str):
        """vertex, fragment: file names. Raises RuntimeError with the compiler's words."""
        self._program = GL.glCreateProgram()
        for name, kind in ((vertex, GL.GL_VERTEX_SHADER), (fragment, GL.GL_FRAGMENT_SHADER)):
            shader = GL.glCreateShader(kind)
            GL.glShaderSource(shader, (SHADERS / name).read_text(encoding="utf-8"))
            GL.glCompileShader(shader)
            if not GL.glGetShaderiv(shader, GL.GL_COMPILE_STATUS):
                raise RuntimeError(f"{name}: {GL.glGetShaderInfoLog(shader).decode()}")
            GL.glAttachShader(self._program, shader)
            GL.glDeleteShader(shader)
        GL.glLinkProgram(self._program)
        if not GL.glGetProgramiv(self._program, GL.GL_LINK_STATUS):
            raise RuntimeError(f"{vertex} + {fragment}: {GL.glGetProgramInfoLog(self._program).decode()}")
        self._places: dict[str, int] = {}

    def use(self, **uniforms: float | tuple[float, ...]) -> None:
        """Make it current and set uniforms: a float, or a tuple of 2 or 4 for a vec2 or vec4."""
        GL.glUseProgram(self._program)
        for name, value in uniforms.items():
            place = self._places.get(name)
            if place is None:
                place = self._places[name] = GL.glGetUniformLocation(self._program, name)
            if not isinstance(value, tuple):
                GL.glUniform1f(place, value)
            elif len(value) == 2:
                GL.glUniform2f(place, *value)
            else:
                GL.glUniform4f(place, *value)


class Texture:
    """A picture on the graphics card. Its storage is made anew only when the size changes."""

    def __init__(self, channels: int):
        """channels: 3 for RGB, 4 for RGBA, 8 bits each. Between texels it is bilinear."""
        self.id = GL.glGenTextures(1)
        self.size = (0, 0)
        self._format = GL.GL_RGB if channels == 3 else GL.GL_RGBA
        self._stored = GL.GL_RGB8 if channels == 3 else GL.GL_RGBA8
        self._channels = channels
        self._buffers = GL.glGenBuffers(2)
        self._next = 0
        self.bind()
        for key, value in (
            (GL.GL_TEXTURE_MIN_FILTER, GL.GL_LINEAR),
            (GL.GL_TEXTURE_MAG_FILTER, GL.GL_LINEAR),
            (GL.GL_TEXTURE_WRAP_S, GL.GL_CLAMP_TO_EDGE),
            (GL.GL_TEXTURE_WRAP_T, GL.GL_CLAMP_TO_EDGE),
        ):
            GL.glTexParameteri(GL.GL_TEXTURE_2D, key, value)

    def bind(self) -> None:
        GL.glBindTexture(GL.GL_TEXTURE_2D, self.id)

    def resize(self, width: int, height: int) -> None:
        """Give it undefined content of a size in pixels, unless it has that size."""
        if self.size != (width, height):
            self.size = (width, height)
            self.bind()
            GL.glTexImage2D(
                GL.GL_TEXTURE_2D, 0, self._stored, width, height, 0, self._format, GL.GL_UNSIGNED_BYTE, None
            )

    def upload(self, pixels: np.ndarray) -> None:
        """Fill it with pixels [h, w, channels] uint8, top row first, through two buffers in turn.

        The card may still be drawing from the one buffer while the other is filled.
        """
        height, width, channels = pixels.shape
        assert channels == self._channels and pixels.dtype == np.uint8
        pixels = np.ascontiguousarray(pixels)
        buffer = self._buffers[self._next]
        self._next ^= 1
        GL.glBindBuffer(GL.GL_PIXEL_UNPACK_BUFFER, buffer)
        GL.glBufferData(GL.GL_PIXEL_UNPACK_BUFFER, pixels.nbytes, pixels, GL.GL_STREAM_DRAW)
        self.fill_from(buffer, width, height)

    def fill_from(self, buffer: int, width: int, height: int) -> None:
        """Fill it with the pixels in a buffer on the card, top row first."""
        self.resize(width, height)
        self.bind()
        GL.glBindBuffer(GL.GL_PIXEL_UNPACK_BUFFER, buffer)
        GL.glPixelStorei(GL.GL_UNPACK_ALIGNMENT, 1)
        GL.glTexSubImage2D(
            GL.GL_TEXTURE_2D, 0, 0, 0, width, height, self._format, GL.GL_UNSIGNED_BYTE, ctypes.c_void_p(0)
        )
        GL.glBindBuffer(GL.GL_PIXEL_UNPACK_BUFFER, 0)


class Canvas:
    """A texture that can be drawn on."""

    def __init__(self) -> None:
        self.texture = Texture(4)
        self.framebuffer = GL.glGenFramebuffers(1)

    def begin(self, width: int, height: int) -> None:
        """Draw here from now on, at a size in pixels."""
        GL.glBindFramebuffer(GL.GL_FRAMEBUFFER, self.framebuffer)
        if self.texture.size != (width, height):
            self.texture.resize(width, height)
            GL.glFramebufferTexture2D(
                GL.GL_FRAMEBUFFER, GL.GL_COLOR_ATTACHMENT0, GL.GL_TEXTURE_2D, self.texture.id, 0
            )
        GL.glViewport(0, 0, width, height)


class Blit:
    """Pixels in main memory that are put into the window as they are.

    Software OpenGL merely copies them if the bytes are in the screen's order and the top row comes first in
    both, which takes a tenth of a shader's time. Mesa keeps the bytes' order only in an unsized format.
    """

    def __init__(self) -> None:
        self._texture = GL.glGenTextures(1)
        self._framebuffer = GL.glGenFramebuffers(1)
        self._size = (0, 0)

    def upload(self, pixels: np.ndarray) -> None:
        """pixels: [h, w, 4] uint8 BGRA, C-contiguous, top row first."""
        height, width, _ = pixels.shape
        GL.glBindTexture(GL.GL_TEXTURE_2D, self._texture)
        if self._size != (width, height):
            self._size = (width, height)
            GL.glTexImage2D(
                GL.GL_TEXTURE_2D, 0, GL.GL_RGBA, width, height, 0, GL.GL_BGRA, GL.GL_UNSIGNED_BYTE, None
            )
            GL.glBindFramebuffer(GL.GL_FRAMEBUFFER, self._framebuffer)
            GL.glFramebufferTexture2D(
                GL.GL_FRAMEBUFFER, GL.GL_COLOR_ATTACHMENT0, GL.GL_TEXTURE_2D, self._texture, 0
            )
        GL.glPixelStorei(GL.GL_UNPACK_ALIGNMENT, 1)
        GL.glTexSubImage2D(GL.GL_TEXTURE_2D, 0, 0, 0, width, height, GL.GL_BGRA, GL.GL_UNSIGNED_BYTE, pixels)

    def draw(self, width: int, height: int) -> None:
        """Fill the window, of a size in pixels, with their middle."""
        left, top = (self._size[0] - width) // 2, (self._size[1] - height) // 2
        middle = left, top, left + width, top + height
        GL.glBindFramebuffer(GL.GL_READ_FRAMEBUFFER, self._framebuffer)
        GL.glBindFramebuffer(GL.GL_DRAW_FRAMEBUFFER, _screen)
        # Rows go down in the picture and up in the window.
        GL.glBlitFramebuffer(*middle, 0, height, width, 0, GL.GL_COLOR_BUFFER_BIT, GL.GL_NEAREST)
        to_screen(width, height)


# What stands for the window: itself, or a canvas that is laid onto it at the end.
_screen = 0


def draw_to(framebuffer: int) -> int:
    """What is drawn to the window goes to a framebuffer from now on, 0 is the window's; gives that before."""
    global _screen
    before, _screen = _screen, framebuffer
    return before


def to_screen(width: int, height: int) -> None:
    """Draw to the window from now on, at its size in pixels."""
    GL.glBindFramebuffer(GL.GL_FRAMEBUFFER, _screen)
    GL.glViewport(0, 0, width, height)


def cover() -> None:
    """Run the current program on every pixel of where drawing goes: one triangle, larger than it."""
    GL.glDrawArrays(GL.GL_TRIANGLES, 0, 3)


def read_screen(width: int, height: int) -> np.ndarray:
    """What was drawn to the window and not yet swapped: [h, w, 3] uint8, top row first."""
    GL.glPixelStorei(GL.GL_PACK_ALIGNMENT, 1)
    pixels = GL.glReadPixels(0, 0, width, height, GL.GL_RGB, GL.GL_UNSIGNED_BYTE)
    return np.frombuffer(pixels, np.uint8).reshape(height, width, 3)[::-1]
