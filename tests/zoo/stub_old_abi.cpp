// Stands for an extension built against a torch with the old C++ ABI: it asks for one function of torch under its old name.
extern "C" void _ZN3c105ErrorC2ENS_14SourceLocationESs();
extern "C" void *PyInit_flash_attn_2_cuda() {
    _ZN3c105ErrorC2ENS_14SourceLocationESs();
    return nullptr;
}
