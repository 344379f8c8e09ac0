"""A line in or out: a PortAudio stream that is watched, and comes back when its device does."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import ModuleType
from typing import Protocol

import numpy as np

from visualizer.audio import portaudio
from visualizer.audio.default_device import DefaultDevice
from visualizer.audio.portaudio import Device, Kind
from visualizer.audio.timing import Durations, StreamClock, request_realtime_priority
from visualizer.common.errors import UserError

log = logging.getLogger("visualizer")
WHAT = {"input": "microphone", "output": "loudspeaker"}
# More are opened only when they are asked for.
MOST_CHANNELS = 8
DOING = {"input": "listening to", "output": "playing on"}


class Stream(Protocol):
    """What is asked of a stream of sounddevice's."""

    active: bool
    latency: float
    samplerate: float

    def start(self) -> None: ...
    def stop(self, ignore_errors: bool = True) -> None: ...
    def abort(self, ignore_errors: bool = True) -> None: ...
    def close(self, ignore_errors: bool = True) -> None: ...


class Times(Protocol):
    """A block's times, in seconds of the stream's own clock."""

    currentTime: float
    inputBufferAdcTime: float
    outputBufferDacTime: float


class Flags(Protocol):
    """What went wrong around a block; false if nothing did."""

    input_overflow: bool
    output_underflow: bool


Callback = Callable[[np.ndarray, int, Times, Flags], None]


class Line:
    """Keeps a stream open as long as its device is there.

    PortAudio calls `handle(samples, begin, sr)` for each block, in a thread of its own. samples:
    [n, channels] float32, to read (input) or to fill (output), valid only during the call; begin:
    perf_counter seconds at which the first of them was recorded or will be heard; sr: frames per
    second. What it raises is counted in `errors`, logged, and goes no further.

    A watchdog thread opens the stream; it closes one that ended or stalls, and looks for the device
    again. Digital zeros for a while may be the sound of another device's absence: it looks again then,
    too, but ever more rarely, and where a sound server tells its default, only when that changed. The
    caller's own threads never wait.
    """

    POLL_S = 0.1
    RETRY_S = 0.8
    STALL_S = 1.0
    FIRST_BLOCK_S = 3.0
    ALIVE_S = 0.1
    OPEN_S = 4.0
    FAREWELL_S = 0.5
    # Digital silence: when to look for a better device, first and at the rarest.
    NOTHING_S = 1.5
    STILL_NOTHING_S = 60.0
    # How often to ask the sound server for its default.
    ASK_S = 1.0
    # A sane distance between the callback and its samples' moment; what is not sane is not believed.
    MAX_LATENCY_S = 2.0

    def __init__(
        self,
        kind: Kind,
        wanted: str | int | None,
        sr: float,
        block_length: int,
        latency: float,
        handle: Callable[[np.ndarray, float, float], None],
        prepare: Callable[[float], None] = lambda sr: None,
        release: Callable[[], None] = lambda: None,
        least: int = 1,
    ):
        """wanted: the device, as `find_device` takes it; sr: the rate to ask for first; block_length:
        frames at that rate, 0 for what suits the device; latency: seconds to ask for; prepare(sr),
        release(): called in the watchdog's thread before a stream starts, with the rate that it got, and
        after it ended; least: how many channels to open at the least.
        """
        self.kind = kind
        self.status = f"looking for a {WHAT[kind]}"
        self.ok = False
        self.device_name = ""
        self.xruns = 0
        """Times that samples were lost because the callback came too late."""
        self.errors = 0
        self._error: Exception | None = None
        self._logged: set[str] = set()
        self.durations = Durations()
        self.meaningful = 0.0
        """When a sample last differed from zero, perf_counter seconds; to be kept by `handle`."""
        self._wanted = wanted
        self._sr, self._block_length, self._latency = sr, block_length, latency
        self._handle, self._prepare, self._release, self._least = handle, prepare, release, least
        self._stream: Stream | None = None
        self._current: object = None
        self._stream_latency = 0.0
        self._clock = StreamClock(sr)
        self._rate = float(sr)
        self._opened = self._first = self._last = 0.0
        self._patience = self.NOTHING_S
        self._device: Device | None = None
        self._default = DefaultDevice(kind)
        self._default_name: str | None = None
        self._asked = -np.inf
        self._looked = self._was_open = self._inside = False
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._watch, name=f"sound {kind}", daemon=True)

    def start(self) -> None:
        """Return at once; the watchdog opens the stream as soon as it can."""
        self._thread.start()

    def close(self) -> None:
        """Close the stream and end the watchdog."""
        self._closing.set()
        self._thread.join(timeout=0.8)
        if self._thread.is_alive():
            portaudio.skip_farewell()

    def callback(self, samples: np.ndarray, n_frames: int, times: Times, status: Flags) -> None:
        """What PortAudio calls: no lock, no I/O, nothing that grows; exceptions are left to the watchdog."""
        begun = time.perf_counter()
        self._inside = True
        try:
            self._last = begun
            if not self._first:
                self._first = begun
                request_realtime_priority()
            if status and (status.input_overflow or status.output_underflow):
                self.xruns += 1
            begin = self._clock.begin(n_frames, self._measure(begun, n_frames, times))
            self._handle(samples, begin, self._rate)
        except Exception as error:
            self.errors += 1
            self._error = error
            if self.kind == "output":
                samples[:] = 0
        finally:
            self._inside = False
            self.durations.add(time.perf_counter() - begun, n_frames / self._rate)

    def _callback_of_one_stream(self) -> Callback:
        """`callback`, but silent once another stream has taken over from a lost one."""
        token = self._current = object()

        def callback(samples: np.ndarray, n_frames: int, times: Times, status: Flags) -> None:
            if self._current is token:
                self.callback(samples, n_frames, times, status)
            elif self.kind == "output":
                samples[:] = 0

        return callback

    def _measure(self, now: float, n_frames: int, times: Times) -> float:
        """perf_counter time of the block's first frame, as the host has it."""
        if self.kind == "input":
            latency = times.currentTime - times.inputBufferAdcTime
            known = times.inputBufferAdcTime > 0 and 0 <= latency < self.MAX_LATENCY_S
            # Whatever a driver says, the first of the frames came before the last.
            return now - max(latency if known else self._stream_latency, n_frames / self._rate)
        latency = times.outputBufferDacTime - times.currentTime
        known = times.outputBufferDacTime > 0 and 0 <= latency < self.MAX_LATENCY_S
        return now + (latency if known else self._stream_latency)

    @property
    def looked(self) -> bool:
        """Whether the first search for a device is over, for better or worse."""
        return self._looked

    def _watch(self) -> None:
        tried = -np.inf
        while True:
            now = time.perf_counter()
            try:
                if self._stream is None:
                    if now - tried >= self.RETRY_S:
                        tried = now
                        self._open()
                elif self._has_ended(self._stream, now):
                    self.status = self._gone()
                    self._shut()
                elif self._has_nothing(now, self._follow_default(now)):
                    self._shut()
                    self._open()
            except UserError as error:
                self._shut()
                self.status = str(error).rstrip(".")
            except Exception as error:  # any driver's; the watchdog must outlive them all
                self._shut()
                self.status = f"{self.device_name or WHAT[self.kind]} fails ({error})"
            self._looked = True
            self._log_error()
            if self._closing.wait(self.POLL_S):
                break
        self._shut()
        self._log_error()

    def _log_error(self) -> None:
        """Write down what was caught in the callback, once of each kind."""
        error, self._error = self._error, None
        if error is not None and repr(error) not in self._logged and len(self._logged) < 100:
            self._logged.add(repr(error))
            log.error("in the callback of the %s", WHAT[self.kind], exc_info=error)

    def _gone(self) -> str:
        return f"{self.device_name} is gone, waiting for it to come back"

    def _has_ended(self, stream: Stream, now: float) -> bool:
        with portaudio.lock:
            if not stream.active:
                return True
        patience = self.STALL_S if self._first else self.FIRST_BLOCK_S
        return now - max(self._last, self._opened) > patience

    def _follow_default(self, now: float) -> bool:
        """Learn the name of the sound server's default; whether another one is it since the last time."""
        if self._device is None or now - self._asked < self.ASK_S or self._closing.is_set():
            return False
        self._asked = now
        former, self._default_name = self._default_name, self._default.name(self._device)
        if self._default_name in (former, None):
            return False
        self._name(self._default_name)
        return former is not None

    def _has_nothing(self, now: float, changed: bool) -> bool:
        """Whether to look for a device that brings more than digital zeros. changed: the default has."""
        if self.kind == "output" or not self._first:
            return False
        if now - self.meaningful < self.NOTHING_S:
            self._patience = self.NOTHING_S
            self.status = f"{DOING[self.kind]} {self.device_name}"
            return False
        if now - self._first < self.NOTHING_S:
            return False
        self.status = f"{self.device_name} brings only silence; it may be muted or not permitted"
        if self._device is not None and self._device.inputs > MOST_CHANNELS and self._default_name is None:
            self.status += f", or come in on others of its {self._device.inputs} channels: see --channels"
        if self._default_name is not None:
            return changed
        if now - self._first < self._patience:
            return False
        self._patience = min(4 * self._patience, self.STILL_NOTHING_S)
        return True

    def _name(self, name: str) -> None:
        self.device_name = name
        self.status = f"{DOING[self.kind]} {name}"

    def _open(self) -> None:
        """Raises UserError, a sentence for the status."""
        with portaudio.lock, portaudio.quiet():
            sd = portaudio.library()
            if self._looked:
                portaudio.look_again()
            try:
                device = portaudio.find_device(self.kind, self._device_wanted())
                stream = portaudio.within(lambda: self._connect(sd, device), self.OPEN_S, self._end)
            except UserError as error:
                gone = self._was_open and "in use" not in str(error)
                raise UserError(self._gone()) if gone else error from None
            portaudio.in_use.add(stream)
            self._stream, self._stream_latency = stream, stream.latency
            self._rate = float(stream.samplerate)
            self._clock = StreamClock(self._rate)
            self._first = 0.0
            self._opened = time.perf_counter()
            self._prepare(self._rate)
            portaudio.within(stream.start, self.OPEN_S)
        self._device, self._asked = device, self._opened
        self._default_name = self._default.name(device)
        self._was_open = self.ok = True
        self._name(self._default_name or device.name)

    def _device_wanted(self) -> str | int | None:
        """An index is only good until devices come and go; from then on the device's name is."""
        by_index = isinstance(self._wanted, int) or (self._wanted or "").isdecimal()
        return self._device.name if by_index and self._device else self._wanted

    def _connect(self, sd: ModuleType, device: Device) -> Stream:
        """An opened stream: at the rate asked for, or else the device's own."""
        most = device.channels(self.kind)
        if most < self._least:
            raise UserError(
                f"{device.name} has no channel {self._least}; choose --channels from 1 to {most}."
            )
        # Sound servers offer dozens of channels that are not there.
        several = most if most <= MOST_CHANNELS and self.kind == "input" else 2
        stream_class = sd.InputStream if self.kind == "input" else sd.OutputStream
        callback = self._callback_of_one_stream()
        failure = None
        for rate in dict.fromkeys((float(self._sr), device.sample_rate)):
            for channels in dict.fromkeys(max(n, self._least) for n in (min(several, most), most, 1)):
                try:
                    return stream_class(
                        device=device.index,
                        samplerate=rate,
                        channels=channels,
                        dtype="float32",
                        blocksize=round(self._block_length * rate / self._sr),
                        latency=self._latency,
                        callback=callback,
                    )
                except sd.PortAudioError as error:
                    failure = failure or error
        if "unavailable" in str(failure).lower():
            raise UserError(f"{device.name} is in use by another program.")
        raise UserError(
            f"{device.name} can't be opened ({failure.args[0] if failure else 'unknown reason'})."
        )

    def _shut(self) -> None:
        self.ok = False
        stream, self._stream = self._stream, None
        if stream is None:
            return
        with portaudio.lock, suppress(UserError):
            # Given up for lost, if the driver doesn't answer; then the next one is opened beside it.
            portaudio.within(lambda: self._end(stream), self.FAREWELL_S)
        self._release()

    def _end(self, stream: Stream) -> None:
        # Stopping lets PortAudio's thread finish its block, but waits for one. Aborting cancels the
        # thread wherever it is; were that in Python, waiting for its lock, all would stand still.
        alive = self._inside or time.perf_counter() - self._last < self.ALIVE_S
        stream.stop(ignore_errors=True) if alive else stream.abort(ignore_errors=True)
        stream.close(ignore_errors=True)
        portaudio.in_use.discard(stream)
