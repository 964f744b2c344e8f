// Every kind of call with gRPC for Go. One line of JSON tells what came of them.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// Messages are plain text.
type plain struct{}

func (plain) Name() string                       { return "plain" }
func (plain) Marshal(v any) ([]byte, error)      { return []byte(*v.(*string)), nil }
func (plain) Unmarshal(data []byte, v any) error { *v.(*string) = string(data); return nil }

var channel *grpc.ClientConn

type ended struct {
	Heard   []string `json:"heard"`
	Code    int      `json:"code"`
	Details string   `json:"details"`
}

func unary(name, message string, within time.Duration, options ...grpc.CallOption) (string, int, string, string) {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	var reply string
	var trailer metadata.MD
	err := channel.Invoke(ctx, "/stand.In/"+name, &message, &reply, append(options, grpc.Trailer(&trailer))...)
	return reply, int(status.Code(err)), status.Convert(err).Message(), strings.Join(trailer.Get("x-service"), ",")
}

func open(name string) grpc.ClientStream {
	both := &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}
	stream, err := channel.NewStream(context.Background(), both, "/stand.In/"+name)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return stream
}

// Says all of it, and then hears all that is said.
func say(name string, texts ...string) []string {
	stream := open(name)
	for _, text := range texts {
		stream.SendMsg(&text)
	}
	stream.CloseSend()
	return hear(stream, nil).Heard
}

// Says each text when the one before was answered; the server has spoken first.
func talk(texts ...string) ended {
	stream := open("Both")
	return hear(stream, func() {
		if len(texts) == 0 {
			stream.CloseSend()
			return
		}
		stream.SendMsg(&texts[0])
		texts = texts[1:]
	})
}

func hear(stream grpc.ClientStream, then func()) ended {
	heard := []string{}
	for {
		var message string
		if err := stream.RecvMsg(&message); err == io.EOF {
			return ended{heard, 0, ""}
		} else if err != nil {
			return ended{heard, int(status.Code(err)), status.Convert(err).Message()}
		}
		heard = append(heard, message)
		if then != nil {
			then()
		}
	}
}

func main() {
	target, secret := os.Args[1], os.Args[2]
	secure := grpc.WithTransportCredentials(credentials.NewTLS(nil))
	opened, err := grpc.NewClient(target, secure, grpc.WithDefaultCallOptions(grpc.ForceCodec(plain{})))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	channel = opened
	long, zip := 20*time.Second, grpc.UseCompressor(gzip.Name)
	reply, code, _, trailer := unary("Unary", "hi", long)
	_, failed, details, after := unary("Fail", "x", long)
	_, deadline, _, _ := unary("Never", "x", 500*time.Millisecond)
	zipped, _, _, _ := unary("Unary", strings.Repeat("z", 2000), long, zip)
	_, refused, _, _ := unary("Unary", strings.Repeat("z", 2000)+" "+secret, long, zip)
	json.NewEncoder(os.Stdout).Encode(map[string]any{
		"unary":    []any{reply, code, trailer},
		"server":   say("Server", "a"),
		"client":   strings.Join(say("Client", "one", "two", "three"), ""),
		"both":     talk("one", "two"),
		"failed":   []any{failed, details, after},
		"deadline": deadline,
		"gzip":     zipped,
		"blocked":  talk("fine", "the key is "+secret),
		"zipped":   refused,
		"halves":   talk("the key is "+secret[:9], secret[9:]),
	})
}
