"""The flash limiter, WCAG 2.2 SC 2.3.1: `limiter` holds frames back, `watch` tells whether a picture flashes.

The rule's numbers stand in `rule`, the places that it counts in `grid`; `pixels` makes cells of frames and
blends of two. `transitions` finds what counts, in lightness or in `colour`, and `counts` adds it up; `room`
says how far a picture may change, and `input` what the picture would have done if nobody held it back.
"""
