// Stands for an extension built against a torch with the C++11 ABI: it asks for one function of torch under its new name.
extern "C" void _ZN3c105ErrorC2ENS_14SourceLocationENSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE();
extern "C" void *PyInit_flash_attn_2_cuda() {
    _ZN3c105ErrorC2ENS_14SourceLocationENSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE();
    return nullptr;
}
