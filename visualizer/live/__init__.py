"""The live engine: sound comes in, the particle moves, and the window shows it, each on its own thread.

The audio callback hears and pushes events into a ring; the physics thread moves the particle; the
painter thread runs the generator; the main thread composes frames and talks with the window; and
backstage does whatever takes longer than a frame.

    engine      the main thread's loop          programme   which preset is on
    loading     the parts, made backstage       controls    keys and clicks
    hearing     the sound that is heard now     statistics  what is measured
    backstage   the thread for slow things      guide       what a newcomer is told
    cloning     the picture on other screens    clone       the process that shows it there
"""

from visualizer.live.engine import run_live

__all__ = ["run_live"]
