module pinyon

go 1.24
