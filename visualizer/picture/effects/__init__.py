"""What a preset does to a picture before it is shown.

In the picture's own resolution, so that the window and the video file show the same. `Effects` says what is
done at each moment, a canvas does it: in compiled loops on the processor, in torch on a card.
"""
