"""Settings for tests: all users share one address, and password hashes are cheap."""

TEST_SETTINGS = {
    # All users of the tests share one address.
    "MADANG_REGISTRATIONS_PER_ADDRESS": "100000",
    "MADANG_LOGIN_TRIES_PER_ADDRESS": "100000",
    "MADANG_PASSWORD_HASHES_WAITING_PER_ADDRESS": "64",
    "MADANG_REQUESTS_PER_SECOND_PER_ADDRESS": "100000",
    "MADANG_REQUESTS_BURST_PER_ADDRESS": "100000",
    "MADANG_REQUESTS_RUNNING_PER_ADDRESS": "10000",
    # A hash at full cost takes a fifth of a second for each login.
    "MADANG_PASSWORD_HASH_PASSES": "1",
    "MADANG_PASSWORD_HASH_MEMORY_KIB": "1024",
    "MADANG_PASSWORD_HASH_LANES": "1",
}
