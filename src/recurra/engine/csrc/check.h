// What must hold for a program before anything runs it; the list stands in program.h.

#pragma once

#include <string>

#include "program.h"

namespace recurra {

// Resolves nothing, changes only the ld of aliases; empty, or one line that says what does not fit.
std::string check(Program& program);

}  // namespace recurra
