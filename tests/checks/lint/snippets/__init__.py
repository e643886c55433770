"""Small programs per rule, a file per topic: those that must fire (on the lines that end with `#!`)
and near misses that must not.
"""

from . import attention, checkpoint, devices, generation, images, kv_cache, memory, versions
from . import video as videos
from .parts import HEAD, HEAD3, M25, P3, T

TOPICS = (
    attention,
    checkpoint,
    devices,
    generation,
    images,
    kv_cache,
    memory,
    versions,
    videos,
)
# id -> (programs that fire, programs that stay silent); a program is (release, text)
CASES = {rule: cases for topic in TOPICS for rule, cases in topic.CASES.items()}

__all__ = ["CASES", "HEAD", "HEAD3", "M25", "P3", "T"]
