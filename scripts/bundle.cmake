# The part of `make bundle` that copies: programs, Open MPI's components and everything they need, into OUT; the tests of
# the kernels, which not everyone wants, into OUT-tests, to be laid over it.
#   cmake -DBUILD=build/release -DOUT=folder -P scripts/bundle.cmake
# Left to the machine: glibc, and the CUDA and NCCL libraries. Left out of Open MPI: InfiniBand, libfabric and UCX (Debian's own
# configuration turns them off too), OpenSHMEM, one-sided communication, ROMIO (OMPIO writes files),
# Open MPI's other tools, and what is not chosen unless asked for.
cmake_minimum_required(VERSION 3.25)

set(machine "^(ld-linux.*|lib(c|m|pthread|dl|rt|resolv|util|anl|mvec))\\.so")
set(cuda "^lib(cuda|cudart|cublas|cublasLt|nvrtc|nvJitLink|nccl)\\.so")
set(no_framework "mca_(spml|scoll|sshmem|memheap|atomic|osc|topo|vprotocol|crs|filem)_")
set(no_tool "mca_((ess|iof|state|errmgr_default)_tool|pstat_linux)\\.so$")
set(no_network "_(ucx|uct|ofi|openib|usnic|psm|psm2|monitoring)\\.so$")
set(never_chosen "mca_(coll_(adapt|han|sm|sync|inter)|fcoll_(dynamic|dynamic_gen2|two_phase)|io_romio321|op_avx|odls_pspawn|\
pmix_flux|pml_cm|ras_(simulator|gridengine)|reachable_netlink|rmaps_(mindist|seq|resilient)|schizo_(flux|jsm)|\
sharedfp_(individual|sm)|compress_bzip|mpool_hugepage)\\.so$")

execute_process(COMMAND ompi_info --path all --parsable OUTPUT_VARIABLE paths COMMAND_ERROR_IS_FATAL ANY)
foreach(name pkglibdir pkgdatadir sysconfdir bindir)
  string(REGEX MATCH "path:${name}:([^\n]+)" ignored "${paths}")
  set(mpi_${name} ${CMAKE_MATCH_1})
endforeach()

file(GLOB tests ${BUILD}/tests/kernels/test_kernels ${BUILD}/tests/kernels/cuda/test_*)
list(FILTER tests EXCLUDE REGEX "\\.[a-z]+$")
file(REAL_PATH ${mpi_bindir}/orterun mpirun)
file(REAL_PATH ${mpi_bindir}/orted orted)
set(programs ${BUILD}/steergrid_bundled ${mpirun} ${orted})
file(GLOB components ${mpi_pkglibdir}/mca_*.so)
foreach(unwanted IN ITEMS ${no_framework} ${no_network} ${no_tool} ${never_chosen})
  list(FILTER components EXCLUDE REGEX "${unwanted}")
endforeach()

file(GET_RUNTIME_DEPENDENCIES EXECUTABLES ${programs} ${tests} MODULES ${components}
     RESOLVED_DEPENDENCIES_VAR libraries UNRESOLVED_DEPENDENCIES_VAR missing
     PRE_EXCLUDE_REGEXES ${machine} ${cuda})
if(missing)
  message(FATAL_ERROR "bundle: libraries that are needed and not found: ${missing}")
endif()

file(INSTALL ${programs} DESTINATION ${OUT}/libexec USE_SOURCE_PERMISSIONS)
file(INSTALL ${tests} DESTINATION ${OUT}-tests/libexec USE_SOURCE_PERMISSIONS)
file(RENAME ${OUT}/libexec/orterun ${OUT}/libexec/mpirun)
file(RENAME ${OUT}/libexec/steergrid_bundled ${OUT}/libexec/steergrid)
file(INSTALL ${libraries} DESTINATION ${OUT}/lib FOLLOW_SYMLINK_CHAIN)
file(INSTALL ${components} DESTINATION ${OUT}/lib/openmpi)
file(INSTALL ${mpi_pkgdatadir}/ DESTINATION ${OUT}/share/openmpi FILES_MATCHING PATTERN "help-*.txt"
     REGEX "help-(oshmem|shmem|opal-shmem-posix|orte-(clean|info|server|filem)|opal-wrapper|opal_info|osc|\
.*(openib|ofi|ucx|usnic|psm|verbs)).*" EXCLUDE)
file(INSTALL ${mpi_sysconfdir}/openmpi-mca-params.conf DESTINATION ${OUT}/etc)

# PMIx, which Open MPI starts its ranks with, has components and messages of its own.
list(FILTER libraries INCLUDE REGEX "/libpmix\\.so")
foreach(library IN LISTS libraries)
  cmake_path(GET library PARENT_PATH folder)
  file(GLOB pmix_components ${folder}/pmix2/lib/pmix/*.so ${folder}/pmix/*.so)
  file(GLOB pmix_messages ${folder}/pmix2/share/pmix/help-*.txt ${folder}/../share/pmix/help-*.txt)
  file(INSTALL ${pmix_components} DESTINATION ${OUT}/lib/pmix)
  file(INSTALL ${pmix_messages} DESTINATION ${OUT}/share/pmix)
endforeach()
