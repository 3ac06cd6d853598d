/* May an end try another place while the one before still works, though nothing may come back from there? C makes soft moves
   (KEEP), which each way of the new place may refuse for ever; it takes back what stays unanswered. Asserted: data never
   goes to a place to which nothing arrives; at the end it goes where C listens, and that has answered. */
#define SOFT
#include "places.pml"
