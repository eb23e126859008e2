//! What the compiler says about every use of the attributes.
