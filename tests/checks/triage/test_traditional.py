"""Traditional Chinese is read as the lexicon spells it, and shown as it was written."""

from __future__ import annotations

from qvl_checks.triage.diagnosing import diagnose
from qvl_checks.triage.traditional import simplified


def test_signs_and_words_are_turned_in_place() -> None:
    text = "高解析度圖片顯存不足，記憶體不夠，讀取影片卡住"
    assert simplified(text) == "高分辨率图片显存不足， 内存不够，读取视频卡住"
    assert len(simplified(text)) == len(text)
    assert simplified("显存不足 OOM") == "显存不足 OOM"


def test_evidence_is_shown_as_it_was_written() -> None:
    text = "Qwen2.5-VL 推論小圖正常，高解析度的掃描圖片就顯存不足"
    (first, *_) = diagnose(text).diagnoses
    assert any("顯存不足" in line for line in first.evidence)
