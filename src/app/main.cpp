// steergrid: the program. Everything is in app/program.cpp, which the tests' faulty twin of it calls too.
#include "app/program.h"

int main(int argc, char** argv) { return steergrid::run_program({argc, argv, {}}); }
