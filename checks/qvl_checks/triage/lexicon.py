"""How people say things: concepts of a symptom description, in English and Chinese.

Every pattern is matched against lower-cased text and is linear: bounded repeats only, none
nested. They are compiled
with ``re.ASCII``, so that a Chinese character next to a Latin word counts as a word boundary.
"""

from __future__ import annotations

import re

_WORDS: dict[str, str] = {
    # memory
    "oom": r"(?:does not|doesn't|do not|not|cannot|can't|won't) fit\b|放不下|装不下|跑不下|out[ "
    r"-]of[ -](?:gpu |cuda )?memory|out_of_memory|outofmemory|\booms?\b|\boom[- "
    r"]?(?:ed|ing|s)\b|can't allocate memory|cannot allocate memory"
    r"|allocation on device|tried to allocate|memory error|runs? out of (?:gpu |"
    r"video )?(?:memory|vram)|cuda error[^.]{0,30}allocat"
    r"|显存(?:不足|不够|溢出|爆|炸)|爆显存|爆了?显存|爆内存|内存(?:不足|"
    r"溢出)|炸显存|显存.{0,6}(?:爆|满|溢)",
    "memory_grows": (
        r"(?:memory|vram)\w{0,12} (?:\w+ ){0,4}(?:grow|increas|ris|creep|climb|leak|"
        r"jump|pil)\w*|(?:grow|increas|ris|leak|climb)\w* (?:\w+ ){0,4}memory|memory "
        r"leak|显存(?:泄漏|泄露)|显存(?:会|就|一直|不断|越来越|逐渐|持续|"
        r"慢慢|占用){1,3}(?:增|涨|上升|升高|变大|变多|高|大)|"
        r"显存.{0,8}(?:增长|增加|累积|越来越)|显存.{0,12}(?:上涨|涨到|"
        r"升到|增到)|(?:占用|内存).{0,6}(?:一直|不断|"
        r"逐渐)(?:增|涨|上升)|内存泄[漏露]"
    ),
    "over_time": (
        r"\bloop|over time|after (?:a few|several|some|many|\d+) (?:hundred |thousand "
        r")?(?:hours?|images?|steps?|iterations?|requests?|calls?|samples?|batches)|"
        r"every (?:call|request|iteration)|each (?:call|request|iteration|inference)|"
        r"long[- ]running|\d+ ?h(?:ours?)?\b|循环|"
        r"几个?小时|小时后|批量|长时间|\d+ ?(?:多|几)?(?:张|次|条|"
        r"轮|个|步)\S{0,6}(?:以后|之后|后)|连续(?:推理|运行|调用)|多次(?:推理|调用)|一段时间|越来越"
    ),
    "fragmentation": (
        r"fragment|reserved but unallocated|expandable_segments|memory_reserved|"
        r"empty_cache|碎片"
    ),
    "other_process": (
        r"other process|another process|someone else|other users?|co-?tenant|shared "
        r"(?:gpu|server|card|machine)|colleague|zombie|already (?:in use|used|"
        r"occupied)|(?:held|taken|used|occupied) by (?:another|other)|其他进程|别的进程|其它进程|"
        r"别人|僵尸进程|共享(?:服务器|显卡)|被.{0,8}占(?:用|了|着)|同事"
    ),
    "first_gpu_full": r"(?:gpu ?0|cuda:0|first (?:gpu|card)|device 0|card 0)[^.\n]{0,"
    r"80}(?:full|oom|"
    r"out of memory|fills?|only|spik|most|all of|overload|100 ?%|grows|runs out|"
    r"peak)|only (?:the )?(?:first|one) (?:gpu|card)|only (?:uses?|using) (?:one|"
    r"gpu ?0|the first)|(?:others?|rest|remaining|gpu ?1)[^.\n]{0,40}(?:idle|empty|"
    r"unused|nearly|almost|free|barely)|one (?:gpu|card) (?:is )?(?:full|fills|"
    r"ooms?)"
    r"|(?:gpu ?0|卡 ?0|0 ?号卡|第一张(?:卡|显卡|gpu)?|首卡|"
    r"0卡|一张卡).{0,14}(?:满|爆|oom|占|上涨|显存|"
    r"溢出)|其[余他它].{0,14}(?:空|闲|没|几乎|不)|只(?:用|占|占用|"
    r"使用|有)了?.{0,4}(?:一张|第一张|0)|显存.{0,"
    r"4}(?:不均|分配不均)|不均衡|unbalanced|imbalance|unevenly",
    "multi_gpu": r"multi[- ]?(?:ple )?(?:gpu|card)|multiple (?:gpus|cards)|(?:two|three|four|"
    r"six|eight|both|several|2|3|4|6|8) ?(?:x|\*)? ?(?:\w+[- ]){0,3}?(?:gpus|"
    r"cards)|\b(?:[2-9]|1[06]) ?(?:x|\*) ?(?:nvidia |geforce |rtx |tesla )?(?:a100|"
    r"a800|h100|h800|h20|h200|v100|t4|l4|l20|l40s?|a10|a6000|a40|rtx|"
    r"[2345]0[6789]0|2080|p40)|cuda:[1-9]|gpu ?[1-9]\b|(?:over|across|split|on|"
    r"onto|between) (?:both|two|2|4|8|several|all)(?: \w+){0,2} ?(?:gpus?|cards?)?|"
    r"tensor[_ -]parallel|\btp ?= ?[2-9]|-tp ?[2-9]|\brank ?[1-9]\b|\b(?:two|three|"
    r"four|eight|[248]) (?:nvidia |geforce )?(?:rtx|a100|a800|h100|v100|t4|l40|"
    r"a6000|[345]090)|world_size|torchrun|device_map ?= ?[\"']?(?:auto|balanced)|"
    r"sharded|dual[- ](?:gpu|[345]0)|p2p"
    r"|多卡|多张(?:卡|显卡|gpu)|多gpu|双卡|双\d{4}|"
    r"[两二三四六八2-8] ?(?:张|块|卡)|多个gpu|两张|四卡|八卡|并行",
    "single_gpu_ok": (
        r"(?:device_map ?= ?)?[\"']cuda(?::[\dx])?[\"'][^\n]{0,60}(?:works?|fine|"
        r"correct|正常|可以)|单卡才|只有.{0,40}(?:单卡|单张).{0,"
        r"14}(?:正常|可以|能)|(?:single|one|1|"
        r"either|each|any one)[ -]?(?:\w+ )?(?:gpu|card)s?[^.\n]{0,60}(?:fine|ok|okay|"
        r"correct|works?|good|normal|right|sens|clean|expected|alone)|(?:fine|ok|"
        r"correct\w*|works?|good|normal\w*|sensibl\w*|expected|right)[^.\n]{0,50}(?:on|"
        r"with|using) (?:a |either |each |any |just |only )?(?:single|one|1|either|"
        r"each)\b|either (?:gpu|card) alone|single[- ](?:gpu|card)|"
        r"(?:cuda_visible_devices ?= ?0)[^,\d][^.\n]{0,50}(?:fine|ok|works|correct|"
        r"normal)|单卡.{0,20}(?:正常|没问题|可以|没有问题|没事|ok|"
        r"对)|一张卡.{0,12}(?:正常|没问题|可以|ok)|单(?:张|"
        r"块|独).{0,16}(?:正常|没问题|可以)"
    ),
    "p2p": (
        r"\bp2p\b|peer[- ]to[- ]peer|peer access|can_device_access_peer|\biommu\b|"
        r"\bacs\b|copy between gpus|(?:to|on) [\"'(]{0,2}cuda:1[\"')]{0,2}[^.\n]{0,"
        r"60}(?:zero|wrong|differ|garbage|nan)|"
        r"跨卡(?:拷贝|复制)|卡间(?:通信|拷贝|复制)|全(?:是|为)?0"
    ),
    "slow": (
        r"\bslow|slow(?:down|er)|takes? (?:about |over |around |more than "
        r")?\d+(?:\.\d+)? ?(?:s|sec|seconds|min|minutes|hours?)\b|very long|too long|"
        r"\d+ ?(?:x|times) (?:slower|longer)|slower|tokens?/s|sec(?:onds)?/token|"
        r"latency|performance (?:drop|regress)|很慢|太慢|"
        r"变慢|非常慢|特别慢|越来越慢|巨慢|慢|耗时|速度"
    ),
    "per_token_slow": (
        r"(?:time|latency|cost|seconds?) per token[^.\n]{0,40}(?:grow|increas|ris|"
        r"longer|slower)|each (?:new |next )?token[^.\n]{0,40}(?:slower|longer|more "
        r"time)|slower (?:and slower|with (?:every|each))|(?:gets|getting|becomes) "
        r"slower|quadratic|每(?:个|生成).{0,8}token.{0,12}(?:慢|越来越|增)|越(?:来|往后|生成)越慢|"
        r"越往后.{0,6}慢"
    ),
    "hang": (
        r"\bhang(?:s|ing)?\b|\bhung\b|\bstuck|freez|\bfroze|never (?:returns|finishes|"
        r"ends)|no response|deadlock|blocks? forever|does not (?:return|finish|move)|"
        r"卡住|卡死|卡在|挂起|无响应|没有反应|不动|一直(?:卡|没)"
    ),
    # output
    "garbled": (
        r"莫名其妙|胡说|离谱|"
        r"看不懂|看不到图|幻觉|things that are not|hallucinat|gibberish|garbage|garbled|nonsens|"
        r"!!!!|random (?:tokens?|characters?|text|words)|meaningless|incoherent|"
        r"corrupt(?:ed)? (?:text|output)|scrambled|broken output|wrong characters|乱码|"
        r"感叹号|胡言乱语|乱说|乱答|不知所云|无意义|全是!|答非所问|输出.{0,"
        r"6}(?:混乱|异常|错乱)|！！"
    ),
    "bangs": (
        r"一串 ?[\"'“]?!|(?:all|only|outputs?|becomes?|是|为) ?[\"'“`]!|becomes? !|!{4,}|"
        r"exclamation marks?|感叹号|叹号|！{2,}"
    ),
    "nan": r"\bnans?\b|\binf\b|overflow|element < 0|溢出",
    "empty_output": (
        r"empty (?:output|string|answer|response|result)|outputs? (?:is|are|nothing|an "
        r"empty)|returns? nothing|输出为?空|空(?:字符串|输出|结果)"
    ),
    "repeat": (
        r"repeat(?!able|_kv)\w*|repetiti|endless|infinite(?:ly)? (?:loop|repeat|"
        r"generat)|never stops|doesn't stop|does not stop|over and over|same "
        r"(?:sentence|word|paragraph|phrase|token|"
        r"line)|the the the|重复|复读|停不下来|无限|不断输出|"
        r"死循环|不停"
    ),
    "accuracy_drop": (
        r"(?:fall|fell|drop|go|went|sink|sank)\w{0,3} from (?:0?\.|\d)|\biou\b|莫名其妙|离谱|变傻|"
        r"\b\d{1,4} (?:of|out of) \d{2,4}\b|\b0/\d{2,4}\b|\d{1,3}(?:\.\d{1,2})? "
        r"?%[^.\n]{0,80}\d{1,3}(?:\.\d{1,2})? ?%|accurac|\bscores?\b|benchmark|chartqa|"
        r"mmmu|docvqa|textvqa|ocrbench|mmbench|worse|drops?\b|degrad|regress|wrong "
        r"(?:answers?|results?|output|box)|decline|lower (?:than|result)|inferior|"
        r"perplexity|\bppl\b|ignores? (?:the )?instruction|cannot follow|follow(?:s|"
        r"ing)? instructions?|bad (?:output|result)|quality|mean ?iou|掉点|下降|变差|精度|准确率|"
        r"效果(?:差|很差|变差|不好|不如|下降)|指标|得分|不如|错误答案|结果.{0,4}(?:错误|不对|有误|不准)|降低|能力|幻觉|差很多|差距"
    ),
    "different_output": (
        r"different (?:output|result|answer|logits?|text)|outputs? (?:\w+ ){0,"
        r"3}(?:differ|change|mismatch)|results? (?:\w+ ){0,3}differ|logits? (?:\w+ ){0,"
        r"4}differ|inconsisten|not (?:the same|identical|equal|consistent)|差异|不一致|不一样|"
        r"结果不同|不同的结果"
    ),
    "same_as_base": (
        r"(?:pure|plain|only|just) (?:the )?base (?:model|weights)|zero modules|"
        r"effectively untrained|adapter[^.\n]{0,30}(?:ignored|not (?:loaded|applied|"
        r"used))|same (?:as|output|answer|result)s? (?:\w+ ){0,5}(?:base|before|"
        r"original|without|untuned)|no (?:effect|difference|change)|as if (?:\w+ ){0,"
        r"4}(?:not|never|no)|identical to (?:the )?(?:base|original)|has no effect|not "
        r"(?:applied|taking effect|loaded)|behaves like the (?:base|original)|"
        r"没有?(?:任何|什么|明显)?(?:微调|训练)?的?(?:效果|变化|作用|生效)|不起作用|不生效|一模一样|和(?:原|基座|没).{0,"
        r"12}(?:一样|相同|一致)|跟(?:原|基座|没).{0,"
        r"12}(?:一样|相同)|等于没"
    ),
    "after_upgrade": (
        r"after (?:\w+ ){0,4}(?:upgrad|updat)\w*|upgrad(?:e|ed|ing)|(?:newer|new|"
        r"latest) (?:version|transformers|release)|since (?:version |v|transformers "
        r")?[45]\.\d|from [45]\.\d+(?:\.\d+)? to [45]\.\d|downgrad|(?:older|old|"
        r"earlier|previous) version|regression|升级|"
        r"更新(?:到|后|了)|新版|旧版|降级|换(?:到|成)了?.{0,"
        r"14}(?:版本|[45]\.\d)|退回|回退"
    ),
    # attention, dtype
    "eager": r"\beager\b",
    "sdpa": (
        r"\bsdpa\b|scaled_dot_product|default attention|默认注意力|"
        r"(?:not|n't|without|never|no|omit\w*|leav\w+ out) (?:\w+ ){0,3}attn_implementation|"
        r"(?:不|未|没有?)(?:指定|设置?|传入?|加|写) ?attn_implementation|attn_implementation 默认"
    ),
    "flash": r"flash[ _-]?att|\bfa-?[23]\b|flash_attn|flashattn",
    "fa3": (
        r"flash_attention_3|flash[ -]?attention[ -]?3|\bfa-?3\b|flash_attn_interface|"
        r"flash-attn-3"
    ),
    "no_flash": (
        r"(?:no|without|not (?:using|installed?|enabled?)|flash[ -]?att\w*(?:[- ]?2)? "
        r"(?:is )?(?:not|isn't|disabled)|(?:can't|cannot|could not|unable to) (?:use|"
        r"install|enable)) ?(?:\w+ ){0,2}(?:flash)?|没有?(?:装|用|安装|开|使用|启用) ?flash|"
        r"未(?:安装|使用|启用|开启) ?flash|不(?:用|开|使用|支持) ?flash"
    ),
    "fp16": r"\bfp16\b|\bfloat16\b|(?<!b)f16\b|\bhalf\b|torch\.half|半精度",
    "bf16": r"\bbf16\b|bfloat16",
    "fp32": r"\bfp32\b|\bfloat32\b|dtype[ =:\"']{1,4}(?:torch\.)?float\b|full precision|单精度",
    "no_dtype": (
        r"(?:no|without|did ?n[o']t (?:set|pass|specify)|not (?:set|specif\w+|pass\w*)|"
        r"missing|forgot|omit\w*|unset) (?:\w+ ){0,3}?(?:torch_)?dtype|(?:没有?|未|忘了|"
        r"忘记)(?:设置?|写|指定|传入?|加|给) ?(?:torch_)?dtype"
    ),
    "lm_eager_vision_flash": (
        r"text_config\W{1,6}eager\W{1,6}vision_config\W{1,6}(?:flash|sdpa)|"
        r"vision_config\W{1,6}(?:flash|sdpa)\w{0,20}\W{1,6}text_config\W{1,6}eager|"
        r"(?:language model|\bllm\b|\blm\b|text (?:model|tower|decoder)|decoder|"
        r"语言模型)[^.;\n]{0,50}eager[^.;\n]{0,60}(?:vision|visual|vit|视觉)[^.;\n]{0,"
        r"50}(?:flash|fa2|sdpa)|(?:vision|visual|vit|视觉)[^.;\n]{0,50}(?:flash|fa2|"
        r"sdpa)[^.;\n]{0,60}(?:language model|\bllm\b|\blm\b|text (?:model|tower|"
        r"decoder)|decoder|语言模型)[^.;\n]{0,50}eager|(?:llm|lm|text|language)[ :+=_-]{1,"
        r"3}eager[ ,+/&-]{1,4}(?:vision|visual|vit)[ :+=_-]{1,3}(?:flash|fa2)"
    ),
    "mixed_attention": (
        r"mixed? (?:the )?attention|different attention (?:implementation|backend)s?|"
        r"attn_implementation ?= ?\{|(?:vision|visual|视觉)[^.;\n]{0,60}(?:flash|sdpa|"
        r"eager)[^;\n]{0,80}(?:language|llm|text|decoder|语言)[^.;\n]{0,60}(?:flash|sdpa|"
        r"eager)|(?:language|llm|text|decoder|语言)[^.;\n]{0,60}(?:flash|sdpa|"
        r"eager)[^;\n]{0,80}(?:vision|visual|视觉)[^.;\n]{0,60}(?:flash|sdpa|eager)|混用|"
        r"混合(?:使用)?注意力|不同的?注意力"
    ),
    "output_attentions": (
        r"output_attentions|attention (?:maps?|weights|scores|matri)|"
        r"注意力(?:图|权重|矩阵|热图)"
    ),
    "quantized": (
        r"4[- ]?bit|8[- ]?bit|int[48]\b|\bnf4\b|load_in_[48]bit|bitsandbytes|\bbnb\b|"
        r"gptq|\bawq\b|quanti[sz]|量化"
    ),
    "awq": r"\bawq\b|autoawq",
    "fp8": r"\bfp8\b|float8",
    "gguf": r"\bgguf\b|llama\.cpp|ollama|ggml",
    "kv_quant": (
        r"cache_implementation[ =:\"']{1,4}quantized|quantized(?:[ _-]?kv)?[ _-]?cache|"
        r"quantizedcache|kv[ -]?cache[^.\n]{0,20}(?:quanti|int4|int8|4[- ]?bit|量化)|"
        r"quanto|(?:int4|4[- ]?bit|quanti[sz]ed|量化)[^.\n]{0,20}kv|hqqquantizedcache|"
        r"量化.{0,6}缓存|缓存.{0,4}量化"
    ),
    "kv_cache": r"kv[ _-]?cache|past_key_values|键值缓存|kv缓存",
    "use_cache_off": (
        r"cache (?:is |was |had been )?(?:disabled|off|turned off|switched off)|"
        r"use_cache[ =:\"'是为设成]{1,8}(?:false|null|none)|(?:missing|without|no) "
        r"[\"'`]?use_cache|cache (?:is )?(?:disabled|off|turned off)|no (?:kv )?cache|"
        r"without (?:the )?(?:kv )?cache|gradient[_ ]checkpointing|关(?:闭|了|掉).{0,4}cache"
    ),
    "cuda_cap_7": (
        r"\bv100s?\b|\bt4\b|2080 ?ti|\brtx ?[268]0[0-9]0\b(?<!rtx 6000)|turing|volta|"
        r"\bsm_?7[05]\b|quadro rtx|titan (?:v|rtx)|compute capability (?:of )?7|"
        r"\bp40\b|\bp100\b|1080 ?ti"
    ),
    "gqa": (
        r"enable_gqa|\bgqa\b|grouped[- ]query|use_gqa_in_sdpa|repeat_kv|math "
        r"(?:backend|kernel|path)|math 后端"
    ),
    "sliding": r"sliding[ _]?window",
    "lm_accelerated": (
        r"causal[_-]conv1d|flash-linear-attention|\bfla\b|gated ?delta|linear "
        r"attention|线性注意力"
    ),
    # images and tokens
    "image": (
        r"\bimages?\b|\bimg\b|picture|photo|\bscans?\b|screenshot|图[片像]?|照片|扫描|截图|"
        r"ocrbench|docvqa|chartqa|textvqa|mathvista|mmmu"
    ),
    "multi_image": (
        r"multi[- ]?image|multiple images|several images|many images|(?:\d{1,3}|two|"
        r"three|four|five|six|eight|ten) (?:\w+ ){0,2}(?:images|pictures|pages|frames)|"
        r"number of images|more images|with the (?:number|count) of images|each image|"
        r"image count|多图|多张图|几张图|多幅|图片数|"
        r"[两二三四五六八十几0-9] ?张(?:小?图|图片|照片)|张数"
    ),
    "big_image": (
        r"large (?:images?|scans?|pictures?|photos?|manuscript|documents?)|large \w+ "
        r"scans?|high[- ]res|big (?:images?|pictures?)|huge image|\b[48]k\b|some "
        r"images|certain images|only (?:on|for|with) (?:some|certain|large)|native "
        r"resolution|resolution|大图|高清|高分辨率|分辨率|有些图|"
        r"某些图|部分图|图片(?:太|很|较|过)大|尺寸(?:太|很|较|"
        r"过)?大|原图"
    ),
    "no_pixel_cap": (
        r"(?:no|nothing|without|not (?:set|limit\w*)|never set|default|unset|unlimited|no "
        r"limit)[^.\n]{0,30}max_pixels|max_pixels[^.\n]{0,30}(?:not set|unset|default|"
        r"12845056|16777216)|image size is not (?:limited|bounded|capped)|12845056|"
        r"16777216|(?:没有?|未|不)(?:设置?|限制|指定|加|传)[^.\n。，]{0,20}max_pixels|默认(?:的)? "
        r"?max_pixels|no (?:pixel|size|resolution) (?:cap|limit)|不限制?(?:图片)?(?:分辨率|大小)"
    ),
    "pixel_setting": (
        r"max_pixels|min_pixels|longest_edge|shortest_edge|resized_height|"
        r"processor\.(?:image_processor\.)?size|size ?= ?\{"
    ),
    "ignored": (
        r"\bignor|no effect|not (?:work|take effect|taking effect|honou?red|respected|"
        r"applied|limit)|doesn't (?:work|take|change|limit|help|apply)|does not "
        r"(?:work|take|change|limit|help|apply)|has no|without effect|still (?:\d+|the "
        r"same|gives?|produces?|uses?|has|get)|unchanged|same (?:number|token|grid)|无效|"
        r"没有?(?:效果|生效|变化|用|起作用|限制住)|不(?:生效|起作用|管用)|"
        r"没变|忽略|还是|仍然|依然|不再支持"
    ),
    "video": r"\bvideos?\b|\bframes?\b|\bfps\b|\.mp4|视频|帧|抽帧",
    "long_video": (
        r"hour-long|\d+-(?:minute|hour)|long (?:video|clip)s?|\d+ ?[- ]?(?:min|minute|"
        r"hour|h|s|sec|second)s?[- ](?:long )?(?:video|clip)|(?:video|clip)[^.\n]{0,"
        r"40}(?:minutes?|hours?|long)|many frames|\d{3,5} ?frames|nframes|total_pixels|"
        r"video_max_pixels|frames? (?:per|to)|长视频|"
        r"分(?:多)?钟的?视频|视频.{0,10}(?:分钟|小时|很长|太长|"
        r"过长)|\d+ ?帧|帧数|小时的?视频"
    ),
    "video_reader": (
        r"\bdecord\b|torchcodec|torchvision\.io|read_video|\bpyav\b|video_reader|"
        r"process_vision_info|fetch_video|读取视频|视频(?:读取|解码)|解码"
    ),
    "video_url": (
        r"https?://\S{1,200}\.(?:mp4|mov|avi|mkv|webm)|(?:https|http|url|remote|"
        r"online)[^.\n]{0,30}video|video[^.\n]{0,30}(?:https|http\b|url|link)|视频.{0,"
        r"10}(?:链接|url|https|网址)|(?:链接|url|网址).{0,8}视频"
    ),
    "timestamps": (
        r"time ?stamps?|temporal|second_per_grid|second per grid|video_metadata|"
        r"seconds?>|时间戳|时间(?:定位|轴|维度|信息|位置)|几秒"
    ),
    "patch14": (
        r"image_patch_size|patch[_ ]size|(?:factor|multiples? of|%|除以|倍数).{0,10}(?:28|"
        r"32)|28 ?(?:x|instead of|而不是|和) ?32|do_resize|resized? twice|double resiz|"
        r"二次(?:缩放|resize)|两次(?:缩放|resize)"
    ),
    "slow_class": (
        r"use_fast ?= ?false|slow (?:image )?processor|qwen2vlimageprocessor(?!fast)|"
        r"慢(?:速)?(?:图像)?处理器"
    ),
    "shrunk": (
        r"shr[iu]nk|down ?(?:scal|sampl|siz)|smaller than|to (?:about )?1,?003,?520|1 "
        r"?mp\b|1\.0 ?mp|megapixel|\b950\b|lower resolution|缩小|变小|被缩|缩到|压缩"
    ),
    "leak": (
        r"第二个.{0,14}(?:processor|实例|处理器|也)|leak|second (?:processor|instance)|another "
        r"(?:processor|instance)|inherit|class[- ]level|carr(?:y|ies) over|previous "
        r"(?:processor|instance)|other instance|also (?:has|uses|gets|limited)|shared? "
        r"between|affects? (?:the )?(?:other|second|next)|第二个(?:processor|实例|处理器)|污染|"
        r"继承|影响(?:到)?(?:了)?(?:另|第二|其他)|另一个(?:processor|实例|处理器)"
    ),
    "fast_slow": (
        r"fast (?:and|vs\.?|versus|or) (?:the )?slow|slow (?:and|vs\.?|versus|or) "
        r"(?:the )?fast|use_fast|imageprocessorfast|快速?(?:和|与|版).{0,6}慢|fast.{0,"
        r"12}slow|fast (?:image )?processor"
    ),
    "markers_doubled": (
        r"vision_start\|?>[^\n]{0,40}<?\|?vision_start|(?:doubled|twice|two|duplicate|"
        r"nested|double)[^.\n]{0,40}(?:vision_start|vision_end|wrapper|markers?)|"
        r"(?:vision_start|vision_end|markers?)[^.\n]{0,40}(?:doubled|twice|two times|"
        r"duplicated?|nested|appears? 2)|重复.{0,12}vision_start|vision_start.{0,"
        r"12}(?:重复|两次|两遍)"
    ),
    "template_drop": r"<\|image_pad\|>|chat template|chat_template",
    # checkpoints and tuning
    "lora": r"\blora\b|adapter|\bpeft\b|peftmodel|微调|finetun|fine-tun",
    "rekey": (
        r"missing adapter keys|unexpected keys?|missing keys?|target_modules|not found "
        r"in the base model|key names?|state_dict keys|键名|权重名"
    ),
    "vision_quantized": (
        r"(?:w4a16|w8a8|llm-compressor)[^\n]{0,60}(?:vision|visual|视觉)|"
        r"(?:vision|visual|vit|视觉)[^.\n]{0,60}(?:quanti|4[- ]?bit|linear4bit|量化|int4|"
        r"nf4)|(?:quanti\w+|4[- ]?bit|量化|linear4bit)[^\n]{0,60}(?:vision|visual|vit\b|"
        r"视觉)|modules_to_not_convert|llm_int8_skip_modules"
    ),
    "tied": r"tie_word_embeddings|lm_head|tied (?:weights|embeddings)|输出头",
    "nccl": r"\bnccl\b|all_?reduce|all_?gather|collective",
    "tp": r"tp_plan|tensor[ _-]parallel|张量并行",
    "visible": r"cuda_visible_devices",
    "late": (
        r"after (?:\w+ ){0,6}(?:import|torch|line|initiali|model|the)|inside (?:the "
        r")?(?:script|code|python)|in (?:the )?(?:code|script|python|notebook)|"
        r"os\.environ|no effect|still|ignored|wrong gpu|gpu 0|放在.{0,10}(?:后|之后)|代码里|"
        r"代码中|import.{0,8}(?:之后|后面)|不生效|没(?:有)?(?:效|生效|用|作用)|无效|仍然|还是|还在"
    ),
    "driver": r"driver|驱动",
    "cuda_unavailable": (
        r"is_available(?:\(\))?[^\n]{0,20}\bfalse|cuda (?:is )?not available|no cuda "
        r"gpus|检测不到(?:gpu|显卡|cuda)|找不到(?:gpu|显卡)|cuda 不可用"
    ),
    "cpu_build": r"\d\+cpu\b|cpu[- ]only|cpu (?:version|build|wheel) of (?:py)?torch|cpu ?版",
    "private_names": (
        r"qwen[\w]{0,20}(?:flashattention2|sdpaattention)\b|qwen\w{0,"
        r"20}_attention_classes|_flash_attention_forward|apply_rotary_pos_emb_flashatt|"
        r"index_first_axis|_upad_input"
    ),
    "timing": (
        r"\b\d{1,2}:\d{2}\b|"
        r"\d+(?:\.\d+)? ?(?:ms|s|secs?|seconds?|min|minutes?|秒|分钟|毫秒)(?![a-z])|"
        r"\d+(?:\.\d+)? ?x\b"
    ),
    "no_metadata": (
        r"(?:without|no|missing|lacks?|drops?|dropped|not pass\w*|没有?(?:传|提供)?|缺少?|未传) "
        r"?(?:any |the |video[_ ])?metadata|pre-?sampled|sampled beforehand|passed as "
        r"(?:a )?list|帧列表|sample_fps"
    ),
    "trouble": (
        r"error|fail|wrong|slow|bad\b|broken|bug|problem|issue|worse|crash|cannot|"
        r"can't|does ?n.t|not work|why|unexpected|strange|incorrect|differ|drop|lose|"
        r"lost|nan\b|oom|hang|stuck|garbage|nonsens|empty|missing|warning|instead|"
        r"although|报错|错误|失败|不对|不了|不能|问题|为什么|怎么|慢|变差|"
        r"乱|异常|崩|卡|没有?(?:效|用)|不准|不一致|爆|[?？]"
    ),
    "gone": (
        r"(?:does not|doesn't|do not|no longer|not) (?:exist|there|available|found)|"
        r"removed|deprecated|renamed|gone|missing|没有了?|找不到|不存在|删除|被移除|移除"
    ),
    "conv3d": r"conv3d|conv_dilated3d|patch_embed|patch embed",
    "torch29": (
        r"torch[^\n.]{0,24}(?:2\.\d\.x[^\n.]{0,8})?\b2\.9(?:\.\d|\.x|\b)|2\.9(?:\.\d)? "
        r"(?:of )?(?:py)?torch"
    ),
    "blackwell": r"blackwell|sm_?12[01]|sm_?100|50[6789]0|rtx pro 6000|b200|gb10",
    "max_memory": r"max_memory|max memory",
    "device_map_fixed": (
        r"device_map ?= ?[\"'{]{1,3}[\"']?(?:cuda|gpu|cpu|:)|device_map ?= ?\d|"
        r"device_map ?= ?[\"']cuda"
    ),
    "device_map_auto": (
        r"device_map.{0,6}(?:设置?为|设为|设成|用|is|to|as|改为) ?[\"']{0,1}(?:auto|balanced)|"
        r"device_map ?[=:]? ?[\"']{0,1}(?:auto|balanced)"
    ),
    "moved_again": r"\.to\([\"']?(?:cuda|device|torch\.device)|\.cuda\(\)|model\.to\b",
    "offload": r"offload|卸载",
    "padding": r"padding_side|right[- ]padd|left[- ]padd|padding|填充|pad ",
    "batch": r"\bbatch|批(?:量|处理|次|推理)|多条|bs ?[=>] ?\d",
    "position_ids": (
        r"position[_ ]ids?|mrope|m-rope|rope_deltas?|get_rope_index|位置编码|位置id|position "
        r"embedding"
    ),
    "rope_deltas": r"rope_deltas?",
    "several_generates": (
        r"second (?:generate|call|turn|round|request)|(?:several|multiple|consecutive|"
        r"repeated|successive|two) (?:generate|generation|call|turn)|generate\(?\)? "
        r"(?:is called )?(?:again|twice|several)|again|multi-?turn|reus|stale|第二次|多次|"
        r"多轮|连续(?:调用|生成)|再次|残留|上一次"
    ),
    "second_per_grid": r"second_per_grid|second per grid",
    "prompt_in_answer": (
        r"(?:output|answer|response|result|decoded|decode|it|返回|输出|结果|回答)[^.\n]{0,"
        r"60}(?:contains?|includes?|starts? with|begins? with|repeats?|has|echo\w*|"
        r"still has|包含|带着|带有|带上|含有|重复|里有|前面)[^.\n]{0,40}(?:prompt|question|system|"
        r"user\b|instruction|input|提示|问题|输入|system|user)|prompt[^.\n]{0,40}(?:decoded|"
        r"printed|returned|included|in the (?:output|answer))|输出.{0,14}(?:提示词|prompt|"
        r"问题|输入)|you are a helpful assistant\.?\s{0,3}user"
    ),
    "no_grad": r"no_grad|inference_mode|grad_fn|requires_grad|梯度",
    "manual_forward": r"forward|model\(\*\*inputs\)|logits|前向",
    "logits": r"lm_head|logits",
    "long_prompt": (
        r"long (?:prompt|context|text|input|sequence|document)s?|\d{2,3} ?k\b(?: "
        r"tokens?| 上下文)?|\d{5,6} (?:\w+ )?tokens?|长(?:文本|上下文|提示|输入|序列)|tokens? 很多"
    ),
    "cache_growth": (
        r"(?:kv|cache|context|上下文)[^.\n]{0,60}(?:how (?:much|many)|gib|gb\b|memory|显存|"
        r"占用|大小|多大|多少)|(?:memory|显存)[^.\n]{0,50}(?:kv|cache|context length|上下文)|bytes "
        r"per token|每(?:个)? ?token.{0,8}(?:字节|显存)"
    ),
    "how_much": (
        r"how (?:much|large|big|many)|estimate|"
        r"calculat|多少|多大|怎么(?:估|算)|需要多|估算"
    ),
    "double_weights": (
        r"(?:twice|double|2x|two times|28|30|31|33)[^.\n]{0,30}(?:memory|vram|gib|gb|"
        r"weights|size)|(?:memory|weights|model|load\w*)[^.\n]{0,40}(?:twice|doubled?|"
        r"2x)|(?:显存|加载|模型)[^。\n]{0,20}(?:两倍|翻倍|一倍|双倍|2倍)"
    ),
    "numpy2": r"numpy[ =v>]{0,4}2|np 2\.",
    "network": (
        r"network|internet|offline|proxy|firewall|timed? ?out|mirror|hf_endpoint|"
        r"connection|huggingface\.co|离线|网络|代理|镜像|连不上|"
        r"无法(?:连接|下载)|下载不了|超时|断网|内网"
    ),
    "download": (
        r"download|checkpoint|weights?|model (?:files?|weights)|huggingface|hf hub|下载|"
        r"权重|模型"
    ),
    "two_envs": (
        r"pip (?:show|list)[^\n]{0,60}(?:but|yet|while|却|但)|(?:two|different|other|"
        r"wrong) (?:python|env|interpreter|conda)|sys\.executable|__file__|(?:两个|不同的?|"
        r"另一个)(?:环境|python)"
    ),
}

CONCEPTS: dict[str, re.Pattern[str]] = {
    name: re.compile(words, re.ASCII) for name, words in _WORDS.items()
}
