// An NVRTC that compiles everything, to nothing; with HIDET_STUB_STATUS it gives that status instead.
#include <stdlib.h>
#include <string.h>
static const char LOG[] = "ptxas info    : Used 24 registers, used 0 barriers, 256 bytes smem";
int nvrtcVersion(int* a, int* b) { *a = 13; *b = 0; return 0; }
const char* nvrtcGetErrorString(int e) { return "an error"; }
int nvrtcCreateProgram(void** p, const char* text, const char* name, int n, void* a, void* b) { *p = (void*)LOG; return 0; }
int nvrtcCompileProgram(void* p, int n, const char** options) {
    return getenv("HIDET_STUB_STATUS") ? atoi(getenv("HIDET_STUB_STATUS")) : 0;
}
int nvrtcDestroyProgram(void** p) { return 0; }
int nvrtcGetCUBINSize(void* p, size_t* n) { *n = 8; return 0; }
int nvrtcGetCUBIN(void* p, char* out) { memcpy(out, "\177ELFstub", 8); return 0; }
int nvrtcGetPTXSize(void* p, size_t* n) { *n = 8; return 0; }
int nvrtcGetPTX(void* p, char* out) { memcpy(out, "// stub", 8); return 0; }
int nvrtcGetProgramLogSize(void* p, size_t* n) { *n = sizeof LOG; return 0; }
int nvrtcGetProgramLog(void* p, char* out) { memcpy(out, LOG, sizeof LOG); return 0; }
