"""Traditional Chinese signs and Taiwan's words, as the lexicon spells them.

Only what the lexicon holds is turned, and every word keeps its length, so that places in a line
stay the same.
"""

from __future__ import annotations

_TRADITIONAL = (
    "丟並亂佈佔併來係個倫備傳僅優內兩別刪剛劃動務區卻參問啓啟喫單嗎嘆噹嚮圍圖埰執報塊壓壞夠學寀實"
    "寫寬對導屍層屬帶幀幾廢張強彆彔後從復徵態憶應懷戶掃掛採換損撐據擠敗數斂斷於昇時曏會査條棄極榘"
    "構標樣樸機檔檢權歎殘殭汙決沒沖洩減測準滿漲漸為無熱爲狀狹獨獲現環畫異畵當發確碼積穫箇節範純級"
    "細結絡給經綫維網緊線編緩練緻縮總繫繼續纍纔義習聽脩腳與舊萬著蔘薦處號螢衕衚衝裏補裝裡製複見視"
    "覺計訓記訪設許註詞試話該誌認語誤說説調請論識譜譯議讀變貝質賴軸較載輪輸辦迴這連進運過適還針鈡"
    "鉅錄錯録錶鍵鍼鍾鏈鏡鐘長閉開閑閒間閤闆關陞陣際隨隻雙雜離雲靜響頂預頓頭頻題類顯餘驅體髮鬍麪麫"
    "麵麼麽點齊齣"
)
_SIMPLIFIED = (
    "丢并乱布占并来系个伦备传仅优内两别删刚划动务区却参问启启吃单吗叹当向围图采执报块压坏够学采实"
    "写宽对导尸层属带帧几废张强别录后从复征态忆应怀户扫挂采换损撑据挤败数敛断于升时向会查条弃极矩"
    "构标样朴机档检权叹残僵污决没冲泄减测准满涨渐为无热为状狭独获现环画异画当发确码积获个节范纯级"
    "细结络给经线维网紧线编缓练致缩总系继续累才义习听修脚与旧万着参荐处号萤同胡冲里补装里制复见视"
    "觉计训记访设许注词试话该志认语误说说调请论识谱译议读变贝质赖轴较载轮输办回这连进运过适还针钟"
    "巨录错录表键针钟链镜钟长闭开闲闲间合板关升阵际随只双杂离云静响顶预顿头频题类显余驱体发胡面面"
    "面么么点齐出"
)
_SIGNS = str.maketrans(_TRADITIONAL, _SIMPLIFIED)
#: Words of another region, after their signs are turned.
_WORDS = (
    ("记忆体", " 内存"),
    ("解析度", "分辨率"),
    ("推论", "推理"),
    ("影片", "视频"),
    ("影像", "图像"),
    ("执行", "运行"),
    ("载入", "加载"),
    ("支援", "支持"),
    ("预设", "默认"),
    ("相片", "照片"),
    ("程式", "程序"),
    ("萤幕", "屏幕"),
    ("辨识", "识别"),
)


def simplified(line: str) -> str:
    """`line` with the signs and words that the lexicon knows; as long as before."""
    line = line.translate(_SIGNS)
    for word, known in _WORDS:
        line = line.replace(word, known)
    return line
