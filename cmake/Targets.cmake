# One static library a folder, one executable a test file group; the same warnings everywhere.
find_package(Git QUIET)
set(STEERGRID_GIT_REVISION "unknown")
if(GIT_FOUND)
  execute_process(COMMAND ${GIT_EXECUTABLE} -C ${PROJECT_SOURCE_DIR} describe --always --dirty --abbrev=12
                  OUTPUT_VARIABLE STEERGRID_GIT_REVISION OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
endif()

add_library(steergrid_options INTERFACE)
target_include_directories(steergrid_options INTERFACE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR})
target_compile_options(steergrid_options INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion
  $<$<BOOL:${STEERGRID_WERROR}>:-Werror>>)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # GCC 12 warns of `"text" + std::string` (its bug 105651).
  target_compile_options(steergrid_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wno-restrict>)
endif()
# Contraction of a*b+c would make bits depend on what the compiler sees together; kernels that want FMA ask for it.
target_compile_options(steergrid_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-ffp-contract=off>)
if(STEERGRID_SANITIZE)
  target_compile_options(steergrid_options INTERFACE -fsanitize=${STEERGRID_SANITIZE} -fno-omit-frame-pointer)
  target_link_options(steergrid_options INTERFACE -fsanitize=${STEERGRID_SANITIZE})
endif()

# steergrid_library(NAME [SMALL] SOURCES a.cpp ... [LINK public libs] [PRIVATE_LINK confined third-party libs])
# SMALL: nothing there takes long, and it is half as large when optimised for size.
function(steergrid_library name)
  cmake_parse_arguments(arg "SMALL" "" "SOURCES;LINK;PRIVATE_LINK" ${ARGN})
  add_library(${name} STATIC ${arg_SOURCES})
  if(arg_SMALL)
    target_compile_options(${name} PRIVATE $<$<CONFIG:Release>:-Os>)
  endif()
  target_link_libraries(${name} PUBLIC steergrid_options ${arg_LINK} PRIVATE ${arg_PRIVATE_LINK})
endfunction()

# steergrid_test(NAME SOURCES a_test.cpp ... LINK libs [RANKS 1 3 5]): with RANKS, also run under mpirun at those sizes.
function(steergrid_test name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINK;RANKS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_compile_definitions(${name} PRIVATE STEERGRID_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  target_compile_options(${name} PRIVATE $<$<CONFIG:Release>:-O1>)  # sooner compiled; what is tested is as shipped
  if(arg_RANKS)
    target_link_libraries(${name} PRIVATE ${arg_LINK} GTest::gtest)
    foreach(ranks IN LISTS arg_RANKS)
      add_test(NAME ${name}_np${ranks}
               COMMAND ${MPIEXEC_EXECUTABLE} ${MPIEXEC_NUMPROC_FLAG} ${ranks} --oversubscribe --bind-to none
                       $<TARGET_FILE:${name}>)
      set_tests_properties(${name}_np${ranks} PROPERTIES PROCESSORS 2 TIMEOUT 120
        ENVIRONMENT "OMPI_ALLOW_RUN_AS_ROOT=1;OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1;OMP_NUM_THREADS=1")
    endforeach()
  else()
    target_link_libraries(${name} PRIVATE ${arg_LINK} GTest::gtest_main GTest::gmock)
    gtest_discover_tests(${name} TEST_PREFIX "${name}." DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60
                         PROPERTIES TIMEOUT 300)
  endif()
endfunction()
