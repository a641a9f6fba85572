/** Worker of the package. Its URL is the option `workerUrl`. The module exports nothing. */
export {};
