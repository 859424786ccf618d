# Writes OUT, a C array of the bytes of IN (a FileDescriptorSet). Run by the build.
file(READ ${IN} hex HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
file(WRITE ${OUT} "/* made at build time */\nstatic const unsigned char descriptor_set[] = {${bytes}};\n")
