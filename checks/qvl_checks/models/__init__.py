"""The Qwen-VL models: published sizes as data, resolving a name or a folder, building one."""
