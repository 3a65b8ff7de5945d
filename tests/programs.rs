//! Programs that must compile and run, one per file. They are modules of one crate, so that they are linked once.
// They show the language as users write it.
#![allow(missing_docs, unused, clippy::all, clippy::unwrap_used)]

macro_rules! programs {
    ($folder:literal $every:ident $($name:ident)*) => {
        $(
        mod $name {
            include!(concat!($folder, "/", stringify!($name), ".rs"));

            #[test]
            fn runs() -> impl std::process::Termination {
                main()
            }
        }
    )*

        #[test]
        fn $every() {
            let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/", $folder)).unwrap();
            let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
            files.retain(|file| ![$(stringify!($name)),*].iter().any(|name| file.file_stem().unwrap() == *name));
            assert!(files.is_empty(), "{files:?}");
        }
    };
}

programs! {
    "ui/kernel/pass" every_kernel_is_here
    asserts
    atomics
    bit_operations
    branches_that_jump
    cache_hints
    casts
    closures
    clusters
    compiled_in_or_not
    compound_assignment
    const_generics
    device_function_inside
    device_functions
    element_update
    ends_of_types
    extent_formula
    for_lanes
    for_mapping
    for_mapping_symbolic
    for_ranges
    for_unrolled
    from_cuda
    fusion
    grid_as_array
    host_values
    if_let
    if_meta
    if_meta_value
    if_statement
    if_value
    if_value_leaves
    if_value_nested
    if_value_tuple
    labels
    literals_of_generic
    logic
    logic_meta
    loop_break_continue
    made_by_macro_rules
    match_meta
    math
    matmul_like
    matrix_problems
    meta_struct
    method_of_user
    names
    names_of_users
    numbers_that_do_not_fit
    other_crate_name
    plain_helpers
    print_formats
    problems_of_building
    register_arrays
    return_early
    rust_methods
    scalar_parameters
    several_kernels
    shadowing
    shared_dynamic
    shared_memory
    signature_parts
    sixteen_parameters
    tensor_core
    thread_groups
    tuple_of_numbers
    tuple_variable
    tuples
    vector_lanes
    vectors
    views
    votes
    warp_group
    warp_reductions
    while_loop
    while_meta
}

programs! {
    "ui/task_mapping/pass" every_task_mapping_is_here
    compositions
    custom
    parameters
}
