module fluent-bit-newterms

go 1.26.8
