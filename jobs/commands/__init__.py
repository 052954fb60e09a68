"""Commands of ``nbo`` that people run beside the stages.

Read what stages published; print, or change what serves.
"""
